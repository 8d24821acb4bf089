"""Statement text to typed statements.

Athena speaks two grammars: Hive's for most DDL, Trino's for the rest (Amazon Athena User Guide,
"SQL reference for Athena"). Queries and row changes are read by sqlglot; DDL by the small parser
here, because it is small and what it names (serdes, partitions, locations) is not SQL.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError, TokenError

from minilab_local.athena import statements as s
from minilab_local.athena import types
from minilab_local.athena.errors import InvalidRequest, QueryError
from minilab_local.athena.tokens import Token, place, tokenize
from minilab_local.athena.translate import DIALECT

T = TypeVar("T")
_QUERY_WORDS = ("SELECT", "WITH", "VALUES", "TABLE", "(")


def parse(text: str, parameters: Sequence[str] | None = None) -> s.Statement:
    """Read one statement; ``parameters`` are ExecutionParameters, SQL literals for its ``?``.

    Raises:
        InvalidRequest: it is no statement of Athena's, or more than one, or parameters are missing.
    """
    parser = _Parser(text)
    statement = parser.statement()
    if isinstance(statement, s.Prepare | s.Execute):
        return statement  # its parameters are for the statement that it names
    return _bind(statement, parameters)


def expression(text: str) -> exp.Expression:
    """One SQL expression, such as an execution parameter.

    Raises:
        InvalidRequest: it cannot be read.
    """
    try:
        return _double_literals(sqlglot.parse_one(text, read=DIALECT, into=exp.Condition))
    except (ParseError, TokenError) as e:
        raise InvalidRequest(f"The parameter {text} cannot be read as a literal: {e}") from e


def query(text: str) -> exp.Expression:
    """One query's tree.

    Raises:
        InvalidRequest: it cannot be read.
    """
    return _tree(text, 0, len(text))


def _bind(statement: s.Statement, parameters: Sequence[str] | None) -> s.Statement:
    trees = [v for v in vars(statement).values() if isinstance(v, exp.Expression)]
    if isinstance(statement, s.Update):
        trees += [value for _, value in statement.assignments]
    places = [p for tree in trees for p in tree.find_all(exp.Placeholder, bfs=False)]
    given = list(parameters or ())
    if len(places) != len(given):
        raise InvalidRequest(
            f"Incorrect number of parameters: expected {len(places)} but found {len(given)}"
        )
    for spot, value in zip(places, given, strict=True):
        spot.replace(expression(value))
    return statement


def _tree(text: str, start: int, end: int) -> exp.Expression:
    """Parse a part of the text; what is before it is blanked, so that places stay true."""
    blank = "".join("\n" if c == "\n" else " " for c in text[:start])
    try:
        trees = [t for t in sqlglot.parse(blank + text[start:end], read=DIALECT) if t is not None]
    except (ParseError, TokenError) as e:
        raise _unreadable(e) from e
    if len(trees) != 1:
        raise InvalidRequest("Only one sql statement is allowed. Got: " + text.strip())
    return _double_literals(trees[0])


def _double_literals(tree: exp.Expression) -> exp.Expression:
    """``1.5`` is a DOUBLE in Athena, where Trino reads a DECIMAL (AWS, "Data types in Amazon
    Athena": a decimal is written ``DECIMAL '1.5'``)."""
    for number in tree.find_all(exp.Literal):
        if not number.is_string and "." in number.name and "e" not in number.name.lower():
            number.set("this", f"{number.name}E0")
    return tree


def _unreadable(error: Exception) -> InvalidRequest:
    details = getattr(error, "errors", None) or []
    if details:
        first = details[0]
        near = first.get("highlight") or ""
        said = first.get("description") or "cannot be read"
        return InvalidRequest(
            f"line {first.get('line')}:{first.get('col')}: mismatched input '{near}'. {said}"
        )
    return InvalidRequest(f"The statement cannot be read: {error}")


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = tokenize(text)
        while self.tokens[0].value == ";" and self.tokens[0].kind == "symbol":
            del self.tokens[0]
        while len(self.tokens) > 1 and self.tokens[-2].upper == ";":
            del self.tokens[-2]
        self.limit = self.tokens[-2].end if len(self.tokens) > 1 else 0
        self.at = 0

    # Tokens

    @property
    def token(self) -> Token:
        return self.tokens[self.at]

    def peek(self, *words: str) -> bool:
        ahead = self.tokens[self.at : self.at + len(words)]
        return [t.upper for t in ahead] == list(words)

    def accept(self, *words: str) -> bool:
        if self.peek(*words):
            self.at += len(words)
            return True
        return False

    def expect(self, *words: str) -> None:
        if not self.accept(*words):
            raise self.mismatch(" ".join(words))

    def mismatch(self, expected: str) -> InvalidRequest:
        shown = self.token.value if self.token.kind != "end" else "<EOF>"
        return InvalidRequest(
            f"{place(self.text, self.token.start)}: mismatched input '{shown}'. "
            f"Expecting: {expected}"
        )

    def end(self) -> None:
        if self.token.kind != "end":
            raise self.mismatch("<EOF>")

    def name(self) -> str:
        if self.token.kind not in ("word", "name"):
            raise self.mismatch("<identifier>")
        self.at += 1
        return self.tokens[self.at - 1].value.lower()

    def string(self) -> str:
        if self.token.kind != "string":
            raise self.mismatch("<string>")
        self.at += 1
        return self.tokens[self.at - 1].value

    def number(self) -> int:
        if not self.token.value.isdigit():
            raise self.mismatch("<integer>")
        self.at += 1
        return int(self.tokens[self.at - 1].value)

    def reference(self) -> s.Reference:
        parts = [self.name()]
        while self.accept("."):
            parts.append(self.name())
        if len(parts) > 3:
            raise InvalidRequest(f"Too many parts in the name {'.'.join(parts)}")
        return s.Reference(*reversed(parts))

    def listed(self, item: Callable[[], T]) -> tuple[T, ...]:
        """``( item, item, … )``"""
        self.expect("(")
        items = [item()]
        while self.accept(","):
            items.append(item())
        self.expect(")")
        return tuple(items)

    def rest(self) -> exp.Expression:
        start = self.token.start
        self.at = len(self.tokens) - 1
        return _tree(self.text, start, self.limit)

    # Statements

    def statement(self) -> s.Statement:
        word = self.token.upper
        if self.token.kind == "end":
            raise InvalidRequest("The statement is empty")
        if word in _QUERY_WORDS:
            return s.Query(self.rest())
        if word in ("INSERT", "UPDATE", "DELETE", "MERGE"):
            return _row_change(self.rest())
        reader = {
            "CREATE": self.create,
            "DROP": self.drop,
            "ALTER": self.alter,
            "SHOW": self.show,
            "DESCRIBE": self.describe,
            "DESC": self.describe,
            "MSCK": self.msck,
            "OPTIMIZE": self.optimize,
            "VACUUM": self.vacuum,
            "UNLOAD": self.unload,
            "EXPLAIN": self.explain,
            "PREPARE": self.prepare,
            "EXECUTE": self.execute,
            "DEALLOCATE": self.deallocate,
        }.get(word)
        if reader is None:
            raise self.mismatch(
                "'ALTER', 'CREATE', 'DELETE', 'DESCRIBE', 'DROP', 'EXECUTE', 'EXPLAIN', 'INSERT', "
                "'MERGE', 'MSCK', 'OPTIMIZE', 'PREPARE', 'SHOW', 'UNLOAD', 'UPDATE', 'VACUUM', "
                "<query>"
            )
        self.at += 1
        return reader()

    def create(self) -> s.Statement:
        if self.accept("OR", "REPLACE"):
            self.expect("VIEW")
            return self.create_view(replace=True)
        if self.accept("VIEW"):
            return self.create_view(replace=False)
        if self.accept("SCHEMA") or self.accept("DATABASE"):
            return self.create_schema()
        external = self.accept("EXTERNAL")
        self.expect("TABLE")
        if_not_exists = self.accept("IF", "NOT", "EXISTS")
        name = self.reference()
        if not external and self.is_as_select():
            return self.create_table_as(name, if_not_exists)
        return self.create_table(name, external=external, if_not_exists=if_not_exists)

    def is_as_select(self) -> bool:
        return self.peek("WITH") or self.peek("AS") or self.peek("COMMENT")

    def create_view(self, *, replace: bool) -> s.CreateView:
        if_not_exists = self.accept("IF", "NOT", "EXISTS")
        if if_not_exists:
            raise InvalidRequest("CREATE VIEW has no IF NOT EXISTS; use CREATE OR REPLACE VIEW")
        name = self.reference()
        comment = self.string() if self.accept("COMMENT") else None
        if self.accept("SECURITY"):
            self.name()
        self.expect("AS")
        text = self.text[self.token.start : self.limit]
        return s.CreateView(name, text, self.rest(), replace, comment)

    def create_schema(self) -> s.CreateSchema:
        if_not_exists = self.accept("IF", "NOT", "EXISTS")
        name = self.schema_name()
        comment = location = None
        properties: Mapping[str, str] = {}
        while self.token.kind != "end":
            if self.accept("COMMENT"):
                comment = self.string()
            elif self.accept("LOCATION"):
                location = self.string()
            else:
                self.expect("WITH", "DBPROPERTIES")
                properties = self.properties()
        return s.CreateSchema(name, if_not_exists, comment, location, properties)

    def schema_name(self) -> str:
        reference = self.reference()
        return reference.table

    def create_table_as(self, name: s.Reference, if_not_exists: bool) -> s.CreateTableAs:
        comment = self.string() if self.accept("COMMENT") else None
        properties: dict[str, object] = {}
        if self.accept("WITH"):
            properties = dict(self.listed(self.option))
        self.expect("AS")
        start = self.token.start
        end, with_data = self.limit, True
        tail = [t.upper for t in self.tokens[-4:-1]]
        if tail == ["WITH", "NO", "DATA"]:
            end, with_data = self.tokens[-4].start, False
        elif tail[-2:] == ["WITH", "DATA"]:
            end = self.tokens[-3].start
        tree = _tree(self.text, start, end)
        return s.CreateTableAs(name, tree, properties, if_not_exists, with_data, comment)

    def option(self) -> tuple[str, object]:
        """``key = value`` of a WITH: strings, numbers, booleans, arrays of them."""
        key = self.name()
        self.expect("=")
        return key, self.option_value()

    def option_value(self) -> object:
        if self.accept("ARRAY"):
            self.expect("[")
            items: list[object] = []
            while not self.accept("]"):
                items.append(self.option_value())
                self.accept(",")
            return items
        token = self.token
        self.at += 1
        if token.kind == "string":
            return token.value
        if token.upper in ("TRUE", "FALSE"):
            return token.upper == "TRUE"
        if token.kind == "number":
            return int(token.value) if token.value.isdigit() else float(token.value)
        self.at -= 1
        raise self.mismatch("a string, a number, true, false or ARRAY[…]")

    def create_table(
        self, name: s.Reference, *, external: bool, if_not_exists: bool
    ) -> s.CreateTable:
        columns = self.listed(self.column) if self.peek("(") else ()
        found: dict[str, object] = {}
        serde_properties: dict[str, str] = {}
        partition_columns: list[s.ColumnSpec] = []
        transforms: list[s.Transform] = []
        while self.token.kind != "end":
            if self.accept("COMMENT"):
                found["comment"] = self.string()
            elif self.accept("PARTITIONED", "BY"):
                for term in self.listed(self.partition_term):
                    if isinstance(term, s.ColumnSpec):
                        partition_columns.append(term)
                    else:
                        transforms.append(term)
            elif self.accept("CLUSTERED", "BY"):
                found["bucket_columns"] = self.listed(self.name)
                self.expect("INTO")
                found["buckets"] = self.number()
                self.expect("BUCKETS")
            elif self.accept("ROW", "FORMAT", "SERDE"):
                found["serde"] = self.string()
            elif self.accept("ROW", "FORMAT", "DELIMITED"):
                serde_properties |= self.delimiters()
            elif self.accept("WITH", "SERDEPROPERTIES"):
                serde_properties |= self.properties()
            elif self.accept("STORED", "AS", "INPUTFORMAT"):
                found["input_format"] = self.string()
                self.expect("OUTPUTFORMAT")
                found["output_format"] = self.string()
            elif self.accept("STORED", "AS"):
                found["stored_as"] = self.name()
            elif self.accept("LOCATION"):
                found["location"] = self.string()
            elif self.accept("TBLPROPERTIES"):
                found["properties"] = self.properties()
            else:
                raise self.mismatch(
                    "'COMMENT', 'PARTITIONED BY', 'CLUSTERED BY', 'ROW FORMAT', 'STORED AS', "
                    "'WITH SERDEPROPERTIES', 'LOCATION', 'TBLPROPERTIES', <EOF>"
                )
        defaults = {
            **dict.fromkeys(("comment", "location", "serde", "stored_as"), None),
            **dict.fromkeys(("input_format", "output_format"), None),
            "bucket_columns": (),
            "buckets": 0,
            "properties": {},
        }
        return s.CreateTable(
            name=name,
            columns=columns,
            partition_columns=tuple(partition_columns),
            partition_transforms=tuple(transforms),
            external=external,
            if_not_exists=if_not_exists,
            serde_properties=serde_properties,
            **{**defaults, **found},  # type: ignore[arg-type]
        )

    def delimiters(self) -> dict[str, str]:
        found: dict[str, str] = {}
        while True:
            if self.accept("FIELDS", "TERMINATED", "BY"):
                found["field.delim"] = found["serialization.format"] = unescape(self.string())
            elif self.accept("ESCAPED", "BY"):
                found["escape.delim"] = unescape(self.string())
            elif self.accept("COLLECTION", "ITEMS", "TERMINATED", "BY"):
                found["collection.delim"] = unescape(self.string())
            elif self.accept("MAP", "KEYS", "TERMINATED", "BY"):
                found["mapkey.delim"] = unescape(self.string())
            elif self.accept("LINES", "TERMINATED", "BY"):
                found["line.delim"] = unescape(self.string())
            elif self.accept("NULL", "DEFINED", "AS"):
                found["serialization.null.format"] = unescape(self.string())
            else:
                return found

    def column(self) -> s.ColumnSpec:
        name = self.name()
        self.accept(":")
        kind = self.type()
        if self.accept("NOT", "NULL"):
            pass
        comment = self.string() if self.accept("COMMENT") else None
        return s.ColumnSpec(name, kind, comment)

    def type(self) -> types.Type:
        """A type runs on over its brackets; its text is what `types.parse` reads."""
        start, depth = self.token.start, 0
        if self.token.kind not in ("word", "name"):
            raise self.mismatch("<type>")
        self.at += 1
        while self.peek("(") or self.peek("<") or depth:
            if self.token.kind == "end":
                raise self.mismatch("'>' or ')'")
            depth += {"(": 1, "<": 1, ")": -1, ">": -1}.get(self.token.upper, 0)
            self.at += 1
            if depth == 0:
                break
        text = self.text[start : self.tokens[self.at - 1].end]
        for words in (
            ("WITH", "TIME", "ZONE"),
            ("WITH", "LOCAL", "TIME", "ZONE"),
            ("WITHOUT", "TIME", "ZONE"),
        ):
            if self.accept(*words):
                text += " " + " ".join(words).lower()
        if text.lower() == "double" and self.accept("PRECISION"):
            text = "double"
        try:
            return types.parse(text)
        except QueryError as e:
            raise InvalidRequest(f"{place(self.text, start)}: {e}") from e

    def partition_term(self) -> s.ColumnSpec | s.Transform:
        name = self.name()
        if self.peek(",") or self.peek(")"):
            return s.Transform("identity", name)
        if self.accept("("):
            terms = [self.token.value.lower()]
            self.at += 1
            while self.accept(","):
                terms.append(self.token.value.lower())
                self.at += 1
            self.expect(")")
            return transform(name, terms)
        kind = self.type()
        comment = self.string() if self.accept("COMMENT") else None
        return s.ColumnSpec(name, kind, comment)

    def properties(self) -> dict[str, str]:
        def pair() -> tuple[str, str]:
            key = self.string() if self.token.kind == "string" else self.name()
            self.expect("=")
            if self.token.kind in ("number", "word"):
                self.at += 1
                return key, self.tokens[self.at - 1].value
            return key, unescape(self.string())

        return dict(self.listed(pair))

    def drop(self) -> s.Statement:
        if self.accept("SCHEMA") or self.accept("DATABASE"):
            if_exists = self.accept("IF", "EXISTS")
            name = self.schema_name()
            cascade = self.accept("CASCADE")
            if not cascade:
                self.accept("RESTRICT")
            self.end()
            return s.DropSchema(name, if_exists, cascade)
        view = self.accept("VIEW")
        if not view:
            self.expect("TABLE")
        if_exists = self.accept("IF", "EXISTS")
        name = self.reference()
        self.accept("PURGE")
        self.end()
        return s.DropTable(name, if_exists, view)

    def alter(self) -> s.Statement:
        if self.accept("DATABASE") or self.accept("SCHEMA"):
            name = self.schema_name()
            self.expect("SET", "DBPROPERTIES")
            return s.AlterSchema(name, self.properties())
        self.expect("TABLE")
        self.accept("IF", "EXISTS")
        table = self.reference()
        statement = self.alteration(table)
        self.end()
        return statement

    def alteration(self, table: s.Reference) -> s.Statement:
        if self.accept("ADD", "COLUMNS"):
            return s.AddColumns(table, self.listed(self.column))
        if self.accept("ADD", "COLUMN"):
            return s.AddColumns(table, (self.column(),))
        if self.accept("REPLACE", "COLUMNS"):
            return s.ReplaceColumns(table, self.listed(self.column))
        if self.accept("DROP", "COLUMN"):
            return s.DropColumn(table, self.name())
        if self.accept("CHANGE"):
            self.accept("COLUMN")
            column, to = self.name(), self.column()
            if self.accept("FIRST"):
                return s.ChangeColumn(table, column, to, "first")
            placed = self.name() if self.accept("AFTER") else None
            return s.ChangeColumn(table, column, to, placed)
        if self.accept("RENAME", "TO"):
            return s.RenameTable(table, self.reference())
        if self.accept("SET", "TBLPROPERTIES"):
            return s.SetProperties(table, self.properties())
        if self.accept("UNSET", "TBLPROPERTIES"):
            keys = self.listed(self.string)
            return s.UnsetProperties(table, keys)
        if self.accept("SET", "LOCATION"):
            return s.SetLocation(table, self.string(), None)
        if self.accept("ADD"):
            return self.add_partitions(table)
        if self.accept("DROP"):
            return self.drop_partitions(table)
        if self.accept("PARTITION"):
            partition = self.partition_values()
            if self.accept("RENAME", "TO", "PARTITION"):
                return s.RenamePartition(table, partition, self.partition_values())
            self.expect("SET", "LOCATION")
            return s.SetLocation(table, self.string(), partition)
        raise self.mismatch(
            "'ADD', 'CHANGE', 'DROP', 'PARTITION', 'RENAME', 'REPLACE', 'SET', 'UNSET'"
        )

    def add_partitions(self, table: s.Reference) -> s.AddPartitions:
        if_not_exists = self.accept("IF", "NOT", "EXISTS")
        partitions = []
        while self.accept("PARTITION"):
            values = self.partition_values()
            location = self.string() if self.accept("LOCATION") else None
            partitions.append((values, location))
        if not partitions:
            raise self.mismatch("'PARTITION'")
        return s.AddPartitions(table, tuple(partitions), if_not_exists)

    def drop_partitions(self, table: s.Reference) -> s.DropPartitions:
        if_exists = self.accept("IF", "EXISTS")
        partitions = []
        while True:
            self.expect("PARTITION")
            partitions.append(self.listed(self.partition_filter))
            if not self.accept(","):
                return s.DropPartitions(table, tuple(partitions), if_exists)

    def partition_filter(self) -> s.PartitionFilter:
        column, operator = self.name(), self.token.value
        if operator not in ("=", "<", ">", "<=", ">=", "<>", "!="):
            raise self.mismatch("a comparison")
        self.at += 1
        return s.PartitionFilter(column, operator, self.literal())

    def partition_values(self) -> dict[str, str]:
        def pair() -> tuple[str, str]:
            column = self.name()
            self.expect("=")
            return column, self.literal()

        return dict(self.listed(pair))

    def literal(self) -> str:
        if self.token.upper in ("DATE", "TIMESTAMP") and self.tokens[self.at + 1].kind == "string":
            self.at += 1
        sign = "-" if self.accept("-") else ""
        if self.token.kind not in ("string", "number", "word"):
            raise self.mismatch("<literal>")
        self.at += 1
        return sign + self.tokens[self.at - 1].value

    def show(self) -> s.Statement:
        statement = self._show()
        self.end()
        return statement

    def _show(self) -> s.Statement:
        if self.accept("DATABASES") or self.accept("SCHEMAS"):
            self.accept("LIKE")
            return s.ShowDatabases(self.string() if self.token.kind == "string" else None)
        for word in ("TABLES", "VIEWS"):
            if self.accept(word):
                inside = self.accept("IN") or self.accept("FROM")
                database = self.schema_name() if inside else None
                self.accept("LIKE")
                pattern = self.string() if self.token.kind == "string" else None
                return s.ShowTables(database, pattern, views=word == "VIEWS")
        if self.accept("COLUMNS"):
            if not self.accept("IN"):
                self.expect("FROM")
            table = self.reference()
            if self.accept("IN") or self.accept("FROM"):
                table = s.Reference(table.table, self.schema_name())
            return s.ShowColumns(table)
        if self.accept("PARTITIONS"):
            return s.ShowPartitions(self.reference())
        if self.accept("TBLPROPERTIES"):
            table = self.reference()
            key = self.listed(self.string)[0] if self.peek("(") else None
            return s.ShowProperties(table, key)
        if self.accept("CREATE", "TABLE"):
            return s.ShowCreate(self.reference(), view=False)
        if self.accept("CREATE", "VIEW"):
            return s.ShowCreate(self.reference(), view=True)
        raise self.mismatch(
            "'COLUMNS', 'CREATE', 'DATABASES', 'PARTITIONS', 'SCHEMAS', 'TABLES', "
            "'TBLPROPERTIES', 'VIEWS'"
        )

    def describe(self) -> s.Statement:
        if self.accept("VIEW"):
            return s.DescribeView(self.reference())
        formatted = self.accept("FORMATTED") or self.accept("EXTENDED")
        self.accept("TABLE")
        table = self.reference()
        if self.accept("PARTITION"):
            self.partition_values()
        column = self.name() if self.token.kind in ("word", "name") else None
        self.end()
        return s.Describe(table, formatted, column)

    def msck(self) -> s.Msck:
        self.expect("REPAIR", "TABLE")
        table = self.reference()
        self.end()
        return s.Msck(table)

    def optimize(self) -> s.Optimize:
        table = self.reference()
        self.expect("REWRITE", "DATA", "USING", "BIN_PACK")
        where = None
        if self.accept("WHERE"):
            start = self.token.start
            self.at = len(self.tokens) - 1
            where = _condition(self.text, start, self.limit)
        self.end()
        return s.Optimize(table, where)

    def vacuum(self) -> s.Vacuum:
        table = self.reference()
        self.end()
        return s.Vacuum(table)

    def unload(self) -> s.Unload:
        self.expect("(")
        start, depth = self.token.start, 1
        while depth:
            if self.token.kind == "end":
                raise self.mismatch("')'")
            depth += {"(": 1, ")": -1}.get(self.token.upper, 0)
            self.at += 1
        tree = _tree(self.text, start, self.tokens[self.at - 1].start)
        self.expect("TO")
        location = self.string()
        properties: dict[str, object] = {}
        if self.accept("WITH"):
            properties = dict(self.listed(self.option))
        self.end()
        return s.Unload(tree, location, properties)

    def explain(self) -> s.Explain:
        analyze = self.accept("ANALYZE")
        options: dict[str, str] = {}
        if self.peek("(") and self.tokens[self.at + 1].upper in ("TYPE", "FORMAT"):

            def pair() -> tuple[str, str]:
                return self.name(), self.name()

            options = dict(self.listed(pair))
        return s.Explain(self.rest(), analyze, options)

    def prepare(self) -> s.Prepare:
        name = self.name()
        self.expect("FROM")
        return s.Prepare(name, self.text[self.token.start : self.limit])

    def deallocate(self) -> s.Deallocate:
        self.expect("PREPARE")
        name = self.name()
        self.end()
        return s.Deallocate(name)

    def execute(self) -> s.Execute:
        name = self.name()
        parameters: list[str] = []
        if self.accept("USING"):
            start, depth = self.token.start, 0
            while self.token.kind != "end":
                depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(self.token.upper, 0)
                if self.peek(",") and not depth:
                    parameters.append(self.text[start : self.token.start].strip())
                    start = self.token.end
                self.at += 1
            parameters.append(self.text[start : self.limit].strip())
        self.end()
        return s.Execute(name, tuple(parameters))


def transform(name: str, terms: Sequence[str]) -> s.Transform:
    """An Iceberg partition transform: ``bucket(16, id)``, ``truncate(4, name)``, ``day(ts)``.

    Raises:
        InvalidRequest: Athena knows no such transform.
    """
    if name in ("bucket", "truncate") and len(terms) == 2:
        number = next((t for t in terms if t.isdigit()), None)
        if number is not None:
            column = next(t for t in terms if t is not number)
            return s.Transform(name, column, int(number))
    singular = {"years": "year", "months": "month", "days": "day", "hours": "hour"}.get(name, name)
    if singular in ("year", "month", "day", "hour", "identity") and len(terms) == 1:
        return s.Transform(singular, terms[0])
    raise InvalidRequest(f"Unknown partition transform: {name}({', '.join(terms)})")


def partitioning(terms: Sequence[object]) -> tuple[s.Transform, ...]:
    """The strings of a CTAS's ``partitioning``: ``day(ts)``, ``bucket(id, 16)``, or a column.

    Raises:
        InvalidRequest: one of them cannot be read.
    """
    result = []
    for term in terms:
        parser = _Parser(str(term))
        found = parser.partition_term() if "(" in str(term) else None
        if found is None:
            found = s.Transform("identity", parser.name())
        parser.end()
        if isinstance(found, s.ColumnSpec):
            raise InvalidRequest(f"{term} is no partition transform")
        result.append(found)
    return tuple(result)


def unescape(text: str) -> str:
    """Hive's string escapes, as delimiters are written: ``\\t``, ``\\001``, ``\\u0001``."""
    result, at = [], 0
    simple = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "0": "\0", "\\": "\\", "'": "'", '"': '"'}
    while at < len(text):
        if text[at] != "\\" or at + 1 == len(text):
            result.append(text[at])
            at += 1
        elif text[at + 1 : at + 4].isdigit() and len(text[at + 1 : at + 4]) == 3:
            result.append(chr(int(text[at + 1 : at + 4], 8)))
            at += 4
        elif text[at + 1] == "u" and len(text) >= at + 6:
            result.append(chr(int(text[at + 2 : at + 6], 16)))
            at += 6
        else:
            result.append(simple.get(text[at + 1], "\\" + text[at + 1]))
            at += 2
    return "".join(result)


def _condition(text: str, start: int, end: int) -> exp.Expression:
    tree = _tree("SELECT 1 WHERE " + text[start:end], 0, 15 + end - start)
    return tree.args["where"].this


def reference(table: exp.Expression) -> s.Reference:
    """The name of a table node."""
    parts = [
        p.name.lower() for p in (table.this, table.args.get("db"), table.args.get("catalog")) if p
    ]
    return s.Reference(*parts)


def _row_change(tree: exp.Expression) -> s.Statement:
    if isinstance(tree, exp.Insert):
        return _insert(tree)
    if isinstance(tree, exp.Update):
        where = tree.args.get("where")
        assignments = []
        for item in tree.expressions:
            if not isinstance(item, exp.EQ) or not isinstance(item.this, exp.Column):
                raise InvalidRequest("UPDATE takes SET column = expression, …")
            assignments.append((item.this.name.lower(), item.expression))
        return s.Update(reference(tree.this), tuple(assignments), where.this if where else None)
    if isinstance(tree, exp.Delete):
        where = tree.args.get("where")
        return s.Delete(reference(tree.this), where.this if where else None)
    if isinstance(tree, exp.Merge):
        return _merge(tree)
    raise InvalidRequest(f"Queries of this type are not supported: {tree.key.upper()}")


def _insert(tree: exp.Insert) -> s.Insert:
    if tree.args.get("overwrite"):
        raise InvalidRequest("INSERT OVERWRITE is not supported by Athena")
    target, columns = tree.this, ()
    if isinstance(target, exp.Schema):
        columns = tuple(c.name.lower() for c in target.expressions)
        target = target.this
    body = tree.expression
    while isinstance(body, exp.Subquery) and not body.args.get("alias"):
        inner = body.this
        if body.args.get("with_") or any(body.args.get(k) for k in ("order", "limit", "offset")):
            break
        body = inner
    if tree.args.get("with_"):
        body = body.copy()
        body.set("with_", tree.args["with_"])
    return s.Insert(reference(target), columns, body)


def _merge(tree: exp.Merge) -> s.Merge:
    whens = []
    for when in tree.args["whens"].expressions:
        then, condition = when.args["then"], when.args.get("condition")
        matched = bool(when.args.get("matched"))
        if when.args.get("source"):
            raise InvalidRequest("WHEN NOT MATCHED BY SOURCE is not supported by Athena")
        if isinstance(then, exp.Update):
            pairs = [(item.this.name.lower(), item.expression) for item in then.expressions]
            columns, values = zip(*pairs, strict=True)
            whens.append(s.When(matched, condition, "update", columns, values))
        elif isinstance(then, exp.Insert):
            names = then.this.expressions if then.this is not None else ()
            columns = tuple(c.name.lower() for c in names)
            values = tuple(then.expression.expressions)
            whens.append(s.When(matched, condition, "insert", columns, values))
        elif then.name.upper() == "DELETE":
            whens.append(s.When(matched, condition, "delete"))
        else:
            raise InvalidRequest(f"MERGE cannot do {then.sql(dialect='trino')}")
    alias = tree.this.args.get("alias")
    on = tree.args["on"]
    return s.Merge(
        reference(tree.this),
        alias.name.lower() if alias else None,
        tree.args["using"],
        on,
        tuple(whens),
    )
