"""Draw the estate: accounts as boxes, what lies in them, and every way from one into another.

    python -m infra.tools.diagram     infra/generated/estate.json to docs/images/infrastructure.svg

Accounts with a VPC stand side by side, in the order in which an event passes them. A line begins at
what acts and ends at what its owner's policy lets it use; lines of one actor have one colour and
share a trunk between two columns. What needs no line of its own (VPC Lattice, metrics, Terraform)
has lanes across all columns. Nothing is drawn that the estate does not hold, and of its ways none
is left out: :func:`draw` fails for a way of a kind that it does not know.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from infra.tools.estate import ESTATE

PICTURE = Path(__file__).resolve().parents[2] / "docs" / "images" / "infrastructure.svg"

FLOW = ("team-a", "team-b", "shared-services", "analytics")
"""The order of columns; other accounts with a VPC follow."""

IN_VPC = ("function", "task", "database", "kafka")
OUTSIDE = ("api", "queue", "table", "bucket", "catalog", "workgroup", "repository", "topic", "key")
PLURAL = {
    **{kind: f"{kind}s" for kind in (*IN_VPC, *OUTSIDE)},
    "api": "HTTP API",
    "catalog": "Glue databases",
    "database": "PostgreSQL",
    "kafka": "Kafka (MSK)",
    "repository": "image repositories",
    "workgroup": "Athena workgroups",
}
"""What stands before the names of several things of a kind, or of the only one."""
WORDS = {
    "sqs:ReceiveMessage": "take",
    "sqs:SendMessage": "send",
    "sqs:GetQueueAttributes": "look",
    "dynamodb:GetItem": "read",
    "dynamodb:UpdateItem": "update",
    "s3:PutObject": "put",
    "s3:GetObject": "read",
    "s3:ListBucket": "list",
    "kms:Decrypt": "decrypt",
    "kms:GenerateDataKey": "encrypt",
    "glue:GetDatabase": "read",
    "glue:GetDatabases": "read",
    "glue:GetTable": "read",
    "kafka-cluster:WriteData": "write",
    "kafka-cluster:Connect": "connect",
    "kafka:CreateVpcConnection": "join its VPC",
}
"""Actions that say what a grant is for, as words; the others of a grant go along with these."""

ACTORS = ("#2563eb", "#c2410c", "#15803d", "#a21caf", "#0e7490", "#be123c", "#a16207", "#4d7c0f")
LATTICE, METRICS, TERRAFORM, INK, QUIET = "#7c3aed", "#0f766e", "#64748b", "#1e293b", "#64748b"
HEAD = {"Workloads": "#dbeafe", "Infrastructure": "#dcfce7", "Security": "#fee2e2", None: "#e2e8f0"}

MARGIN, COLUMN, CHANNEL, PAD, LINE = 18, 226, 74, 9, 15
SMALL, NORMAL = 10, 11.5


@dataclass
class Row:
    """One line of text in a box, and the ways that begin or end there."""

    text: str
    kind: str = ""
    y: float = 0
    actor: str | None = None
    """Role whose ways begin here."""
    grant: tuple[str, str] | None = None
    """Account and role whose way ends here."""
    goes_on: bool = False
    """Whether it is more of the line above, and no way ends here."""


@dataclass
class Column:
    """An account with a VPC."""

    name: str
    x: float
    inside: list[Row] = field(default_factory=list)
    outside: list[Row] = field(default_factory=list)
    top: float = 0
    split: float = 0
    bottom: float = 0

    @property
    def rows(self) -> list[Row]:
        return [*self.inside, *self.outside]

    @property
    def right(self) -> float:
        return self.x + COLUMN


Actor = tuple[str, str]
"""Account and role."""


def draw(estate: dict[str, Any]) -> str:
    """The picture, as the text of an SVG file."""
    accounts, ways = estate["accounts"], estate["ways"]
    unknown = {way["kind"] for way in ways} - {
        *("policy", "lattice", "metrics", "privatelink", "share", "trail"),
    }
    if unknown:
        raise ValueError(f"ways of kinds that the picture does not know: {sorted(unknown)}")

    named = [name for name in FLOW if name in accounts]
    named += [name for name in accounts if "vpc" in accounts[name] and name not in FLOW]
    columns = [
        Column(name, MARGIN + index * (COLUMN + CHANNEL)) for index, name in enumerate(named)
    ]
    above = [name for name in accounts if name not in named]
    grants = [
        way
        for way in ways
        if way["kind"] in ("policy", "privatelink")
        and way["from"] in named
        and way["to"] in named
        and not way["on"].startswith("sink ")
    ]
    for column in columns:
        _fill(column, accounts[column.name], grants)

    canvas = Canvas(width=columns[-1].right + MARGIN)
    top = _above(canvas, above, accounts, ways, columns)
    for column in columns:
        _place(column, top)
    lowest = max(column.bottom for column in columns)
    colours = {
        actor: ACTORS[index % len(ACTORS)]
        for index, actor in enumerate(
            dict.fromkeys((way["from"], way.get("as", "")) for way in _in_order(grants, named))
        )
    }
    for column in columns:
        _box(canvas, column, accounts[column.name], colours)
    lowest = max(lowest, _lines(canvas, columns, colours))
    y = _lattice(canvas, columns, accounts, ways, lowest + 34)
    y = _metrics(canvas, columns, ways, y)
    canvas.text(
        MARGIN,
        y + 4,
        "A line begins at what acts and ends at what its owner's policy lets it use;"
        " the words say for what. Dashed: what lies in a VPC.",
        size=SMALL,
        fill=QUIET,
    )
    y += 18
    return canvas.document(y)


# --- what stands in a column ---------------------------------------------------------------------


def _fill(column: Column, account: dict[str, Any], grants: list[dict[str, Any]]) -> None:
    things, vpc = account["things"], account["vpc"]
    lines = [
        f"VPC {vpc['cidr']}, zones {' '.join(vpc['zones'])}",
        f"endpoints: {', '.join([*vpc['gateway endpoints'], *vpc['interface endpoints']])}",
    ]
    column.inside = [Row(text, "note") for line in lines for text in _wrap(line, COLUMN - 4 * PAD)]

    acting = {way.get("as", "") for way in grants if way["from"] == column.name}
    for kind in IN_VPC:
        column.inside += _rows(column.name, kind, things.get(kind, []), acting, grants)
    if any(way["kind"] == "privatelink" and way["from"] == column.name for way in grants):
        column.inside.append(Row("connection to Kafka", "thing", actor="connection"))
    for kind in OUTSIDE:
        names = things.get(kind, [])
        column.outside += _rows(column.name, kind, names, set(), grants)
    if "" in acting:
        column.outside.append(Row("whoever deploys here", "thing", actor=""))
    people = [role for role, what in account["roles"].items() if what == "people"]
    drawn = {row.actor for row in column.rows}
    for role in sorted({*people, *acting} - drawn):
        note = "people" if role in people else "not made"
        column.outside.append(Row(f"role {role} ({note})", "thing", actor=role))
    column.outside += [Row(text, "note") for text in _wrap(_counts(account), COLUMN - 2 * PAD)]


def _counts(account: dict[str, Any]) -> str:
    counts = dict(account["counts"])
    if "dashboard" in account["things"]:
        counts["dashboards"] = len(account["things"]["dashboard"])
    return ", ".join(
        f"{number} {what.removesuffix('s') if number == 1 else what}"
        for what, number in counts.items()
    )


def _rows(
    account: str, kind: str, names: list[str], acting: set[str], grants: list[dict[str, Any]]
) -> Iterator[Row]:
    """A line for each thing that a way begins or ends at, and one for all others of its kind."""
    ends: dict[str, list[Row]] = {}
    for way in grants:
        what, _, name = way["on"].partition(" ")
        if way["to"] == account and what == kind:
            ends.setdefault(name, []).append(
                Row(_may(way), "grant", grant=(way["from"], way.get("as", "")))
            )
    quiet = [name for name in names if name not in ends and name not in acting]
    for name in dict.fromkeys([*names, *ends]):
        if name in acting:
            yield Row(f"{kind} {name}", "thing", actor=name)
        elif name in ends:
            yield Row(f"{kind} {name}", "thing")
        yield from _merged(ends.get(name, []))
    if quiet:
        width = COLUMN - (4 if kind in IN_VPC else 2) * PAD
        label = PLURAL[kind] if len(quiet) > 1 or kind in ("api", "database", "kafka") else kind
        yield from (Row(text, "others") for text in _wrap(f"{label} {', '.join(quiet)}", width))


def _merged(rows: list[Row]) -> Iterator[Row]:
    """One line for all that one actor may do with a thing."""
    by_actor: dict[Actor, list[str]] = {}
    for row in rows:
        assert row.grant is not None
        by_actor.setdefault(row.grant, []).append(row.text)
    for actor, texts in by_actor.items():
        who = actor[1] or f"{actor[0]}, deploying"
        said = f"{who}: {', '.join(dict.fromkeys(texts))}"
        for index, text in enumerate(_wrap(said, COLUMN - 3 * PAD, SMALL)):
            yield Row(text, "grant", grant=actor, goes_on=index > 0)


def _may(way: dict[str, Any]) -> str:
    if way["kind"] == "privatelink":
        return "PrivateLink"
    words = dict.fromkeys(WORDS[action] for action in way["may"] if action in WORDS)
    said = [word for word in words if word != "look"] or list(words) or way["may"]
    where = " ".join(path for path in way.get("where", []) if path)
    return " and ".join(said) + (f" {where}" if where else "")


def _in_order(grants: list[dict[str, Any]], named: list[str]) -> list[dict[str, Any]]:
    return sorted(grants, key=lambda way: (named.index(way["from"]), way.get("as", "")))


# --- boxes ---------------------------------------------------------------------------------------

_HEIGHT = {"note": 13, "thing": 20, "grant": 14, "others": 16}
_GAP_BEFORE = {"note": 4, "others": 3}
"""Where lines of another kind came before."""


def _place(column: Column, top: float) -> None:
    """Give each line its height."""
    column.top = top
    y = _stack(column.inside, top + 30 + PAD)
    column.split = y + PAD
    column.bottom = _stack(column.outside, column.split + 2) + PAD


def _stack(rows: list[Row], y: float) -> float:
    before = None
    for row in rows:
        y += _HEIGHT[row.kind]
        y += _GAP_BEFORE.get(row.kind, 0) if before not in (None, row.kind) else 0
        row.y, before = y - 4, row.kind
    return y


def _box(
    canvas: Canvas, column: Column, account: dict[str, Any], colours: dict[Actor, str]
) -> None:
    canvas.account(column.x, column.top, COLUMN, column.bottom - column.top, column.name, account)
    canvas.rect(
        column.x + PAD,
        column.top + 32,
        COLUMN - 2 * PAD,
        column.split - column.top - 34,
        fill="#f8fafc",
        stroke="#94a3b8",
        dash="4 3",
        radius=5,
    )
    acting = {role for name, role in colours if name == column.name}
    for row in column.rows:
        indent = 2 * PAD if row in column.inside else PAD
        x = column.x + indent
        if row.kind == "note":
            canvas.text(x, row.y, row.text, size=SMALL, fill=QUIET)
        elif row.kind == "grant":
            assert row.grant is not None
            canvas.text(x + 10, row.y, row.text, size=SMALL, fill=colours[row.grant])
        else:
            colour = colours[(column.name, row.actor)] if row.actor in acting else INK
            canvas.text(x, row.y, row.text, weight=600 if row.kind == "thing" else 400, fill=colour)


def _above(
    canvas: Canvas,
    names: list[str],
    accounts: dict[str, Any],
    ways: list[dict[str, Any]],
    columns: list[Column],
) -> float:
    """Accounts without a VPC, and what Terraform does from one; returns where to go on."""
    top, height = MARGIN, 74
    gap = 150
    widths = (canvas.width - 2 * MARGIN - gap * (len(names) - 1)) / max(1, len(names))
    names = sorted(names, key=lambda name: name != "management")
    place = {name: MARGIN + index * (widths + gap) for index, name in enumerate(names)}
    for name in names:
        account = accounts[name]
        canvas.account(place[name], top, widths, height, name, account)
        things = [f"{kind} {', '.join(named)}" for kind, named in account["things"].items()]
        text_of = ", ".join([*things, _counts(account)])
        for index, text in enumerate(_wrap(text_of, widths - 2 * PAD)):
            canvas.text(place[name] + PAD, top + 46 + 14 * index, text)
    for way in ways:
        if way["kind"] == "trail":
            x, y = place[way["from"]] + widths, top + 46
            canvas.line([(x, y), (place[way["to"]], y)], TERRAFORM, arrow=True)
            canvas.text(x + gap / 2, y - 6, f"trail, {way['may'][0]}", size=SMALL, anchor="middle")
            canvas.text(x + gap / 2, y + 14, "events", size=SMALL, anchor="middle")

    taken = sorted({way["as"] for way in ways if way["on"].startswith("role ")})
    y = top + height + 26
    if taken:
        reached = {way["to"] for way in ways if way["on"].startswith("role ")}
        source = next(way["from"] for way in ways if way["on"].startswith("role "))
        x = place[source] + 20
        middles = [column.x + COLUMN / 2 for column in columns if column.name in reached]
        canvas.line([(x, top + height), (x, y), (max(middles), y)], TERRAFORM)
        for middle in middles:
            canvas.line([(middle, y), (middle, y + 24)], TERRAFORM, arrow=True)
        for name in set(names) & reached:
            middle = place[name] + widths / 2
            canvas.line([(middle, y), (middle, top + height + 1)], TERRAFORM, arrow=True)
            canvas.line([(max(middles), y), (middle, y)], TERRAFORM)
        canvas.text(
            x + 8, y - 6, f"Terraform, by the role of the same name: {', '.join(taken)}", size=SMALL
        )
    return y + 25


# --- lines of policies ---------------------------------------------------------------------------


def _lines(canvas: Canvas, columns: list[Column], colours: dict[Actor, str]) -> float:
    """All lines between columns; returns how far down they go."""
    place = {column.name: index for index, column in enumerate(columns)}
    begins = {
        (column.name, row.actor): row
        for column in columns
        for row in column.rows
        if row.actor is not None
    }
    ends: dict[Actor, list[tuple[int, Row]]] = {}
    for column in columns:
        for row in column.rows:
            if row.grant is not None and not row.goes_on:
                ends.setdefault(row.grant, []).append((place[column.name], row))

    tracks: dict[int, list[Actor]] = {}
    corridors: list[Actor] = []

    def track(channel: int, actor: Actor) -> float:
        used = tracks.setdefault(channel, [])
        if actor not in used:
            used.append(actor)
        return columns[channel].right + 12 + 11 * used.index(actor)

    lowest = 0.0
    for actor in colours:
        here, begin, colour = place[actor[0]], begins[actor], colours[actor]
        for step in (-1, 1):
            there = [(index, row) for index, row in ends[actor] if (index - here) * step > 0]
            if not there:
                continue
            side = columns[here].x if step < 0 else columns[here].right
            own = here - 1 if step < 0 else here
            trunk = track(own, actor)
            ys = [begin.y - 4]
            for index in sorted({index for index, _ in there}):
                channel = index if step < 0 else index - 1
                edge = columns[index].right if step < 0 else columns[index].x
                rows = [row.y - 3.5 for place_of, row in there if place_of == index]
                if channel == own:
                    x = trunk
                    ys += rows
                else:
                    if actor not in corridors:
                        corridors.append(actor)
                    between = columns[min(channel, own) + 1 : max(channel, own) + 1]
                    down = max(column.bottom for column in between) + 14
                    down += 11 * corridors.index(actor)
                    lowest = max(lowest, down)
                    x = track(channel, actor)
                    canvas.line([(trunk, down), (x, down)], colour)
                    canvas.line([(x, min([down, *rows])), (x, max([down, *rows]))], colour)
                    ys.append(down)
                for y in rows:
                    canvas.line([(x, y), (edge, y)], colour, arrow=True)
            canvas.line([(side, begin.y - 4), (trunk, begin.y - 4)], colour)
            canvas.line([(trunk, min(ys)), (trunk, max(ys))], colour)
            canvas.dot(side, begin.y - 4, colour)
    return lowest


# --- lanes across all columns --------------------------------------------------------------------


def _lattice(
    canvas: Canvas,
    columns: list[Column],
    accounts: dict[str, Any],
    ways: list[dict[str, Any]],
    top: float,
) -> float:
    owners = {
        (name, service)
        for name, account in accounts.items()
        for service in account["things"].get("lattice service", [])
    }
    networks = [
        (name, network)
        for name, account in accounts.items()
        for network in account["things"].get("service network", [])
    ]
    if not networks:
        return top
    ((owner, network),) = networks
    units = sorted({way["unit"] for way in ways if way["kind"] == "share"})
    shared = f", shared by RAM with {' and '.join(units)}" if units else ""
    by_name = {column.name: column for column in columns}
    lanes = sorted(owners)
    height = 34 + 46 * len(lanes)
    canvas.rect(MARGIN, top, canvas.width - 2 * MARGIN, height, fill="#f5f3ff", stroke=LATTICE)
    canvas.text(
        MARGIN + PAD,
        top + 19,
        f"VPC Lattice, service network {network} of {owner}{shared}: signed calls between teams",
        weight=600,
        fill=LATTICE,
    )
    for column in columns:
        if accounts[column.name]["vpc"]["in the service network"]:
            x = column.x + COLUMN / 2
            canvas.line([(x, column.bottom), (x, top)], LATTICE, dash="5 3")
    for index, (account, service) in enumerate(lanes):
        y = top + 30 + 46 * index
        at = next(column for column in columns if column.name == account)
        canvas.chip(at.x + 4, y, COLUMN - 8, f"service {service}", LATTICE)
        called = (account, f"lattice service {service}")
        callers = [way["from"] for way in ways if (way["to"], way["on"]) == called]
        for way in ways:
            if (way["to"], way["on"]) == called:
                caller = by_name[way["from"]]
                text = f"{way['as']}: {', '.join(way['may'])} {' '.join(way['where'])}"
                canvas.chip(caller.x + 4, y, COLUMN - 8, text, LATTICE, filled=False)
                _call(canvas, caller, at, [by_name[other] for other in callers], y, LATTICE)
    return top + height + 14


def _call(
    canvas: Canvas,
    source: Column,
    target: Column,
    sources: list[Column],
    y: float,
    colour: str,
) -> None:
    """From one chip of a lane to another; below those that stand between them."""
    left, right = sorted([source.x, target.x])
    if any(left < other.x < right for other in sources):
        ends = [source.x + COLUMN / 2, target.x + COLUMN / 2]
        points = [(ends[0], y + 30), (ends[0], y + 38), (ends[1], y + 38), (ends[1], y + 31)]
    elif source.x < target.x:
        points = [(source.right - 4, y + 15), (target.x + 4, y + 15)]
    else:
        points = [(source.x + 4, y + 15), (target.right - 4, y + 15)]
    canvas.line(points, colour, arrow=True)


def _metrics(
    canvas: Canvas, columns: list[Column], ways: list[dict[str, Any]], top: float
) -> float:
    """What is shown, and to whom; also where a sink's policy lets someone who shows nothing."""
    links = [way for way in ways if way["on"].startswith("sink ")]
    showing = {way["from"] for way in links if way["kind"] == "metrics"}
    links = [way for way in links if way["kind"] == "metrics" or way["from"] not in showing]
    if not links:
        return top
    canvas.rect(MARGIN, top, canvas.width - 2 * MARGIN, 76, fill="#f0fdfa", stroke=METRICS)
    canvas.text(
        MARGIN + PAD,
        top + 19,
        "CloudWatch Observability Access Manager: what is shown to whom",
        weight=600,
        fill=METRICS,
    )
    y = top + 28
    by_name = {column.name: column for column in columns}
    for way in links:
        source, target = by_name[way["from"]], by_name[way["to"]]
        shown = ", ".join(f"{kind.rpartition('::')[2].lower()}s" for kind in way["may"])
        shown = shown if way["kind"] == "metrics" else "may show, and does not"
        _call(canvas, source, target, [by_name[other["from"]] for other in links], y, METRICS)
        canvas.chip(source.x + 4, y, COLUMN - 8, shown, METRICS, filled=False)
        canvas.chip(target.x + 4, y, COLUMN - 8, way["on"], METRICS)
    return top + 76 + 14


# --- SVG -----------------------------------------------------------------------------------------


def _wrap(text: str, width: float, size: float = NORMAL) -> list[str]:
    """Lines of words that fit in a width, by the mean width of a small letter."""
    most = int(width / (size * 0.54))
    lines = [""]
    for word in text.split():
        if len(lines[-1]) + len(word) + 1 > most:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return [line for line in lines if line]


class Canvas:
    """An SVG under construction; what is drawn later lies above."""

    def __init__(self, width: float) -> None:
        self.width = width
        self._parts: list[str] = []

    def rect(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        *,
        fill: str,
        stroke: str,
        dash: str = "",
        radius: int = 8,
    ) -> None:
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        self._parts.append(
            f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="{radius}"'
            f' fill="{fill}" stroke="{stroke}"{dashed}/>'
        )

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: float = NORMAL,
        weight: int = 400,
        fill: str = INK,
        anchor: str = "start",
    ) -> None:
        self._parts.append(
            f'<text x="{x:g}" y="{y:g}" font-size="{size:g}" font-weight="{weight}" fill="{fill}"'
            f' text-anchor="{anchor}">{escape(text, quote=False)}</text>'
        )

    def line(
        self,
        points: Iterable[tuple[float, float]],
        colour: str,
        *,
        arrow: bool = False,
        dash: str = "",
    ) -> None:
        path = " ".join(f"{x:g},{y:g}" for x, y in points)
        head = f' marker-end="url(#to-{colour[1:]})"' if arrow else ""
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        self._parts.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.4"'
            f"{dashed}{head}/>"
        )

    def dot(self, x: float, y: float, colour: str) -> None:
        self._parts.append(f'<circle cx="{x:g}" cy="{y:g}" r="3.2" fill="{colour}"/>')

    def chip(
        self, x: float, y: float, width: float, text: str, colour: str, *, filled: bool = True
    ) -> None:
        self.rect(x, y, width, 30, fill=colour if filled else "#ffffff", stroke=colour, radius=6)
        self.text(
            x + width / 2,
            y + 19,
            text,
            fill="#ffffff" if filled else colour,
            anchor="middle",
            size=NORMAL if len(_wrap(text, width)) == 1 else SMALL,
            weight=600 if filled else 400,
        )

    def account(
        self, x: float, y: float, width: float, height: float, name: str, account: dict[str, Any]
    ) -> None:
        self.rect(x, y, width, height, fill="#ffffff", stroke="#475569")
        head = HEAD.get(account["unit"], HEAD[None])
        self._parts.append(
            f'<path d="M{x:g},{y + 26:g} v-18 a8,8 0 0 1 8,-8 h{width - 16:g} a8,8 0 0 1 8,8 v18 z"'
            f' fill="{head}" stroke="#475569"/>'
        )
        self.text(x + PAD, y + 18, name, size=13, weight=700)
        unit = account["unit"] or "the organization's root"
        self.text(x + width - PAD, y + 18, unit, size=SMALL, fill=QUIET, anchor="end")

    def document(self, height: float) -> str:
        body = "\n".join(self._parts)
        colours = sorted(
            {part.split("url(#to-")[1][:6] for part in self._parts if "url(#to-" in part}
        )
        heads = "\n".join(
            f'<marker id="to-{colour}" viewBox="0 0 8 8" refX="7.5" refY="4" markerWidth="6"'
            f' markerHeight="6" orient="auto"><path d="M0,0 L8,4 L0,8 z" fill="#{colour}"/>'
            "</marker>"
            for colour in colours
        )
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width:g} {height:g}"'
            f' width="{self.width:g}" height="{height:g}" role="img"'
            ' font-family="-apple-system, Segoe UI, Helvetica, Arial, sans-serif">\n'
            "<title>Mini-Lab's accounts, what lies in them, and the ways between them</title>\n"
            f"<defs>\n{heads}\n</defs>\n"
            f'<rect width="{self.width:g}" height="{height:g}" fill="#ffffff"/>\n'
            f"{body}\n</svg>\n"
        )


def main() -> int:
    PICTURE.write_text(draw(json.loads(ESTATE.read_text())))
    print(f"written: {PICTURE}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
