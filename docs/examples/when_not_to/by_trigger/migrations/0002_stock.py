from django.db import migrations

TAKE_FROM_STOCK = """
CREATE TRIGGER take_from_stock AFTER INSERT ON by_trigger_order
BEGIN
    UPDATE shop_product SET stock = stock - NEW.quantity WHERE id = NEW.product_id;
END
"""


class Migration(migrations.Migration):
    dependencies = [("by_trigger", "0001_initial")]
    operations = [migrations.RunSQL(TAKE_FROM_STOCK, "DROP TRIGGER take_from_stock")]
