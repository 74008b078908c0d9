from pitfalls.circular import search


class Product:
    """Stands for a model. This file is the models.py, and imports its receivers."""


search.connect()
