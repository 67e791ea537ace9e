"""The second half of the page: fairness, capacity, who has no place and why, data, rules, and the run itself."""

from __future__ import annotations

from typing import Any

from allocator.report.blocks import Block, Grid, Notice, Section
from allocator.report.charts import Bar, bar_chart
from allocator.report.page_plan import Summary, names_of
from allocator.report.words import COLUMN_WORDS, EFFECT_WORDS, REASON_WORDS, do_not_fit, share
from allocator.words import date, number, people, plain, plural, quantity

QUINTILE_WORDS = {"1": "1 (most deprived fifth)", "5": "5 (least deprived fifth)", "not known": "Not known"}


def fairness(summary: Summary) -> Section:
    """Places by deprivation, on both bases."""
    groups = summary["counts"]["quintile"]
    bars, rows = [], []
    for row in groups:
        label = QUINTILE_WORDS.get(row["group"], row["group"])
        bars.append(_share_bar(label, "with an option", row, "with_option", "fill"))
        bars.append(_share_bar(label, "all waiting", row, "all_waiting", "second"))
        rows.append(
            (
                label,
                number(row["placed"]),
                number(row["with_option"]),
                share(row["placed"], row["with_option"]),
                number(row["all_waiting"]),
                share(row["placed"], row["all_waiting"]),
                share(row["baseline_placed"], row["all_waiting"]),
            )
        )
    chart = bar_chart(
        "fairness",
        "Share of people with a place, by deprivation",
        "Two bars a group: of people with an option, and of all who wait. The figures are in the table.",
        bars,
        1.0,
    )
    heads = (
        "Deprivation",
        "With a place",
        "With an option",
        "Share of these",
        "All waiting",
        "Share of all",
        "Share of all, by hand",
    )
    legend = (
        ("fill", "Of people with an option"),
        ("second", "Of all who wait"),
        ("mark", "The same, by hand"),
    )
    lead = (
        "People with an option could go to at least one session. Where the two shares of a group lie far apart, "
        "travel, services or what sites accept keep that group out before any choice is made."
    )
    grid = Grid("Places by deprivation of the home area (1 = most deprived fifth)", heads, rows)
    return Section("fairness", "Is it fair?", (Block("", (), chart, legend, grid, beside=False),), lead)


def _share_bar(label: str, base_words: str, row: dict[str, Any], base: str, style: str) -> Bar:
    whole = row[base]
    part = row["placed"] / whole if whole else 0.0
    by_hand = row["baseline_placed"] / whole if whole else 0.0
    return Bar(f"{label}, {base_words}", share(row["placed"], whole), ((part, style),), mark=by_hand)


def capacity(summary: Summary) -> Section:
    """How far each site's spare time is used."""
    sites = summary["sites"]
    bars = [
        Bar(
            row["name"],
            f"{share(row['minutes_used'], row['minutes'])} of {plural(round(row['minutes'] / 60), 'hour')}",
            ((row["minutes_used"], "second" if row["sector"] == "independent" else "fill"),),
            track=row["minutes"],
        )
        for row in sites
    ]
    rows = [
        (
            row["name"],
            f"{number(row['sessions_used'])} of {number(row['sessions'])}",
            number(row["cases"]),
            f"{number(round(row['minutes_used'] / 60))} of {number(round(row['minutes'] / 60))}",
        )
        for row in sites
    ]
    chart = bar_chart(
        "capacity",
        "Use of spare time by site",
        "Each bar is a site's spare time; the dark part is used. The figures are in the table.",
        bars,
        max((row["minutes"] for row in sites), default=1),
    )
    legend = (("fill", "Used, NHS site"), ("second", "Used, independent site"), ("track", "Not used"))
    heads = ("Site", "Sessions used", "Cases", "Hours used")
    lead = (
        "Time counts operations and tests and the turnaround between them. The policy may leave some of it free on "
        "purpose. Why a session is not full: see sessions.csv."
    )
    grid = Grid("Use of spare time by site", heads, rows)
    return Section("capacity", "Use of spare capacity", (Block("", (), chart, legend, grid),), lead)


def unplaced(summary: Summary) -> Section:
    """Who has no place, by reason."""
    reasons = [row for row in summary["unplaced_by_reason"] if row["reason_code"] != "treated"]
    total = sum(row["entries"] for row in reasons)
    bars = [
        Bar(
            _meaning(row),
            f"{number(row['entries'])} ({share(row['entries'], total)})",
            ((row["entries"], "fill"),),
        )
        for row in reasons
    ]
    rows = [(_meaning(row), row["example"], number(row["entries"])) for row in reasons]
    full = max((row["entries"] for row in reasons), default=1)
    chart = bar_chart("reasons", "People without a place, by reason", "The figures are in the table.", bars, full)
    grid = Grid(
        "People without a place, by reason", ("Reason", "One of them, for example", "People"), rows, texts=(0, 1)
    )
    lead = (
        f"{people(total)} {'has' if total == 1 else 'have'} no place. Everybody's own reason, and the nearest change "
        "that would give them one, is in unplaced.csv."
    )
    if not reasons:
        return Section("unplaced", "People without a place", (), "Everybody has a place.")
    return Section("unplaced", "People without a place", (Block("", (), chart, (), grid, beside=False),), lead)


def _meaning(row: dict[str, Any]) -> str:
    words: str = row["meaning"] or REASON_WORDS.get(row["reason_code"], plain(row["reason_code"]))
    return words[:1].upper() + words[1:]


def data(summary: Summary) -> Section:
    """What was refused or held, old lists, conflicts, and blanks worth filling."""
    intake, accounts = summary["intake"], summary["accounts"]
    blocks = [Block("Everybody is accounted for", grid=_accounts(accounts))]
    if intake["problems"]:
        rows = [
            (
                EFFECT_WORDS.get(row["effect"], plain(row["effect"])),
                f"{row['table']} {row['column']}".strip(),
                row["problem"],
                number(row["rows"]),
            )
            for row in intake["problems"]
        ]
        grid = Grid(
            "Refused, held or not understood",
            ("What was done", "Table and column", "Problem, for example", "Times"),
            rows,
            texts=(0, 1, 2),
        )
        blocks.append(Block("Refused or held", ("Every one is in quarantine.csv, with a hint.",), grid=grid))
    if intake["notices"]:
        blocks.append(Block("Notices from reading the data", intake["notices"]))
    blocks.append(_old_lists(summary))
    if summary["data_wanted"]:
        blanks = [
            (COLUMN_WORDS.get(row["column"], plain(row["column"])), number(row["entries"]), number(row["options"]))
            for row in summary["data_wanted"]
        ]
        wanted_heads = ("What is not known", "People without a place", "Options it could open")
        sentences = ("If these blanks were filled in, and favourably, more people could be offered a place.",)
        grid = Grid("Blanks, by how many options they could open", wanted_heads, blanks)
        blocks.append(Block("Blanks worth filling in", sentences, grid=grid))
    lead = (
        f"Of {plural(accounts['patients_read'], 'row')} of the waiting lists, "
        f"{number(accounts['refused'])} were refused and {number(accounts['held'])} are held."
    )
    return Section("data", "What was refused or held, and old lists", blocks, lead)


def _accounts(accounts: dict[str, Any]) -> Grid:
    lost = accounts["of_which_booking_lost"]
    note = f" ({number(lost)} in a session that is gone)" if lost else ""
    rows = [
        (f"Has a place{note}", number(accounts["placed"])),
        ("Has no place", number(accounts["unplaced"])),
        ("Treated already: leaves the list", number(accounts["treated"])),
        ("Refused: the row cannot be used", number(accounts["refused"])),
        ("Held: kept out of the plan until the data are mended", number(accounts["held"])),
        ("Rows read", number(accounts["patients_read"])),
    ]
    return Grid("Rows of the waiting lists, each counted once", ("What became of it", "Entries"), rows)


def _old_lists(summary: Summary) -> Block:
    names = names_of(summary)
    old = summary["old_lists"]
    if not old:
        return Block("Old lists", ("No list is known to be more than a week old.",))
    rows = [
        (names[row["provider"]], date(row["list_as_of"]), number(row["days_old"]))
        for row in sorted(old, key=lambda row: -row["days_old"])
    ]
    verb, them = ("is", "it") if len(old) == 1 else ("are", "them")
    sentence = f"{plural(len(old), 'list')} {verb} more than a week old. People on {them} may have been treated since."
    heads = ("Provider", "List of", "Days old")
    return Block("Old lists", (sentence,), grid=Grid("Lists more than a week old", heads, rows, texts=(0, 1)))


def rules(summary: Summary) -> Section:
    """Every rule in force, and how far its room is used."""
    rows = []
    for rule in summary["rules"]:
        figures = ("–", "–", "–")
        if rule["limited"]:
            figures = (
                quantity(rule["used"], rule["unit"]),
                quantity(rule["limit"], rule["unit"]),
                f"{number(rule['at_limit'])} of {number(rule['limited'])}",
            )
        rows.append((plain(rule["rule"]), rule["sentence"], *figures))
    limit = "Limit (most, or the least that a rule asks for)"
    heads = ("Rule", "What it says", "Used", limit, "How often just at the limit")
    grid = Grid("Rules in force", heads, rows, texts=(0, 1))
    kept = "all are kept" if summary["audit"]["passed"] else "NOT all are kept"
    if summary["conflicts"]:
        kept += f", but for {plural(summary['conflicts'], 'booking')} that cannot keep them (see above)"
    lead = f"Every rule was checked again after planning, from the tables alone: {kept}."
    return Section("rules", "The rules of this plan", (Block("", (), grid=grid),), lead)


def about(summary: Summary) -> Section:
    """Where the figures come from, and how to check them."""
    instance, travel = summary["instance"], summary["travel"]
    rows = [
        ("Instance", instance["name"]),
        ("Policy", summary["policy"]["name"]),
        ("Places given from", date(instance["horizon_start"])),
        ("Places given to", date(instance["horizon_end"])),
        ("How the work ended", plain(summary["ending"])),
        ("Pairs of entry and session considered", number(instance["options"])),
        ("Journeys estimated from coordinates", f"{number(travel['estimated'])} of {number(travel['places'])}"),
        ("Fingerprint of the instance", instance["fingerprint"]),
        *((f"Source {place}", source) for place, source in enumerate(instance["sources"], 1)),
    ]
    grid = Grid("About this run", ("", "This run"), rows, texts=(0, 1))
    return Section("about", "About this run", (Block("", (), grid=grid),))


def notices(summary: Summary) -> list[Notice]:
    """What must be known before anything else: a failed audit, emergencies, synthetic people."""
    found = []
    if not summary["audit"]["passed"]:
        broken = plural(summary["audit"]["violations"], "violation")
        words = f"The check after planning found {broken}. Nothing of this plan may be used. See audit.json."
        found.append(Notice("error", "This plan failed its audit", (words,)))
    if not summary["accounts"]["balanced"]:
        words = "Placed, unplaced, refused, held and treated do not add up to the rows read. Please report this."
        found.append(Notice("error", "Not everybody is accounted for", (words,)))
    if summary["overrides_ignored"]:
        given = number(summary["overrides_ignored"])
        words = f"{given} pins and vetoes were given, and this policy has no rule overrides."
        found.append(Notice("error", "Pins and vetoes are not obeyed", (words,)))
    emergencies = summary["intake"]["emergencies"]
    if emergencies:
        names = names_of(summary)
        rows = [(names.get(row["home"], row["home"]), number(row["entries"])) for row in emergencies]
        total = sum(row["entries"] for row in emergencies)
        words = (
            f"{people(total)} on these lists {'has' if total == 1 else 'have'} an emergency priority (P1a, P1b or D1). "
            "They are not planned here and need action today."
        )
        grid = Grid("Emergencies on waiting lists, by trust", ("Trust", "Entries"), rows)
        found.append(Notice("warning", "Emergencies on waiting lists", (words,), grid))
    if summary["conflicts"]:
        them = "it" if summary["conflicts"] == 1 else "each of them"
        words = f"{do_not_fit(summary['conflicts'])}. Please settle {them} today."
        found.append(
            Notice("warning", "Bookings that do not fit", (words, "Each is in conflicts.csv, with the reason."))
        )
    if summary["instance"]["synthetic"]:
        words = "The people in this report are not real. They were made by a computer to fit published figures."
        found.append(Notice("inset", "Synthetic people", (words, summary["instance"]["notes"])))
    return found
