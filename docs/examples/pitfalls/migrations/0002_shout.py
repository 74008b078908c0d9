from typing import Any

from django.db import migrations


def shout(apps: Any, schema_editor: Any) -> None:
    for article in apps.get_model("pitfalls", "Article").objects.all():
        article.title += "!"
        article.save()


class Migration(migrations.Migration):
    dependencies = [("pitfalls", "0001_initial")]

    operations = [migrations.RunPython(shout, migrations.RunPython.noop)]
