from sql_fixtures import ask, database

__all__ = ["ask", "database"]
