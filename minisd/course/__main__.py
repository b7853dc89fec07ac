"""Keep the course's notebooks: run and save them, fill in answers, measure what they cost."""

import argparse
import os
import re
import sys
from pathlib import Path

from . import exercises
from . import notebooks as nb

BEGIN, END = "<!-- what the notebooks cost -->", "<!-- end of what the notebooks cost -->"
EPILOG = """\
after editing a notebook:    python -m minisd.course execute notebooks/02_forward_noise.ipynb
all answers filled in:       python -m minisd.course state solved NOTEBOOK --out solved.ipynb
what every notebook costs:   python -m minisd.course table
"""


def main(arguments=None):
    """Run one command; 0 where all is well, 1 with one line on stderr where it is not."""
    options = _parser().parse_args(arguments)
    try:
        return options.command(options)
    except (ValueError, OSError, ModuleNotFoundError) as error:
        print(f"minisd.course: {error}", file=sys.stderr)
        return 1


def _parser():
    parser = argparse.ArgumentParser(
        prog="python -m minisd.course",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    execute = commands.add_parser(
        "execute",
        help="run notebooks as a learner finds them, and save them with their outputs",
        description="Run each notebook from top to bottom in a fresh kernel and save it: execution "
        "counts 1..n, fixed cell ids, no metadata but tags. Nothing is saved where a cell fails "
        "or the report is not that of a blank notebook.",
    )
    execute.add_argument("paths", nargs="+", type=Path, metavar="NOTEBOOK")
    execute.set_defaults(command=_execute)

    state = commands.add_parser(
        "state",
        help="write a notebook in another state: solved, or every other exercise wrong",
        description="Fill in the stubs. 'solved' takes the notebook's own folded solutions; 'half' "
        "answers exercises 1, 3, 5 with their first named mistake and solves the others.",
    )
    state.add_argument("state", choices=nb.STATES)
    state.add_argument("path", type=Path, metavar="NOTEBOOK")
    state.add_argument("--out", type=Path, required=True, metavar="FILE", help="where to write it")
    state.add_argument("--run", action="store_true", help="run it first, and check its report")
    state.set_defaults(command=_state)

    table = commands.add_parser(
        "table",
        help="measure every notebook and write the README's table",
        description="Run every notebook in each state and write a table with minutes, points, CPU "
        f"seconds and peak memory between the lines '{BEGIN}' and '{END}' of the README. CPU "
        "seconds are those of all cores together, in the costliest state; under the table stands "
        "how long all take by the clock, one after another. Measure on an idle machine.",
    )
    table.add_argument("--notebooks", type=Path, default=Path("notebooks"), metavar="FOLDER")
    table.add_argument("--readme", type=Path, default=Path("README.md"), metavar="FILE")
    table.add_argument("--states", nargs="+", choices=nb.STATES, default=list(nb.STATES))
    table.add_argument("--dry-run", action="store_true", help="print the table, write nothing")
    table.set_defaults(command=_table)
    return parser


def _run(path, state):
    """Run one notebook in one state and refuse a wrong report."""
    notebook, bank = nb.read(path), exercises()
    run = nb.execute(nb.fill(notebook, state, bank), path.parent)
    wrong = nb.wrong_in_report(run.report, nb.expected_report(notebook, state, bank))
    if wrong:
        raise ValueError(f"{path.name}, {state}: " + "; ".join(wrong))
    print(
        f"{path.name} {state}: {run.wall_seconds:.0f} s by the clock, "
        f"{run.cpu_seconds:.0f} CPU seconds, peak {run.peak_mb:.0f} MB",
        flush=True,
    )
    return run


def _execute(options):
    for path in options.paths:
        nb.write(_run(path, "blank").notebook, path)
    return 0


def _state(options):
    if options.run:
        notebook = _run(options.path, options.state).notebook
    else:
        filled = nb.fill(nb.read(options.path), options.state, exercises())
        notebook = nb.normalize(nb.without_outputs(filled))
    nb.write(notebook, options.out)
    return 0


def minutes_of(title_cell):
    """The minutes that a title cell promises; None where it says nothing, or more than is read."""
    amount = r"(\d+)(½?) (minute|hour)s?( and a half)?\s*[,;:|]"
    time = re.search(rf"\|\s*time\s*\|\s*(?:about )?{amount}", title_cell)
    if time is None:
        return None
    number = int(time[1]) + (0.5 if time[2] or time[4] else 0)
    return round(number * {"minute": 1, "hour": 60}[time[3]])


def table_row(path, runs):
    """One line of the README's table, from a notebook and its runs."""
    cells = nb.read(path)["cells"]
    title = re.match(r"# (\d\d) · (.+)\n", cells[0]["source"])
    minutes = minutes_of(cells[0]["source"])
    if not title or not minutes:
        raise ValueError(
            f"{path.name}: the first cell should begin with '# 02 · Forward noise' and hold a "
            "table row that begins '| time | 60 minutes' or '| time | about 2 hours'."
        )
    points = sum(ex.points for id, ex in exercises().items() if id.startswith(f"{title[1]}."))
    cpu_seconds = max(run.cpu_seconds for run in runs)
    peak_mb = max(run.peak_mb for run in runs)
    link = f"[{title[1]} {title[2]}](notebooks/{path.name})"
    return f"| {link} | {minutes} | {points} | {cpu_seconds:.0f} | {peak_mb:.0f} |"


def put_between(text, begin, end, new):
    """Replace what stands between two marker lines. Raises ValueError unless each occurs once."""
    if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
        raise ValueError(f"expected the line '{begin}' once, and '{end}' once after it.")
    before, rest = text.split(begin)
    return f"{before}{begin}\n{new}\n{end}{rest.split(end)[1]}"


def _table(options):
    paths = sorted(options.notebooks.glob("[0-9][0-9]_*.ipynb"))
    if not paths:
        raise ValueError(f"no notebook like 00_start_here.ipynb lies in {options.notebooks}.")
    seconds = dict.fromkeys(options.states, 0.0)
    rows = ["| notebook | minutes | points | CPU seconds | peak MB |", "|---|---|---|---|---|"]
    for path in paths:
        runs = {state: _run(path, state) for state in options.states}
        rows.append(table_row(path, list(runs.values())))
        for state, run in runs.items():
            seconds[state] += run.wall_seconds
    together = ", ".join(f"{state} {total:.0f} s" for state, total in seconds.items())
    rows += ["", f"All {len(paths)} by the clock: {together}, on {os.cpu_count()} cores."]
    print(rows[-1])
    if options.dry_run:
        print("\n".join(rows))
        return 0
    text = put_between(options.readme.read_text(encoding="utf-8"), BEGIN, END, "\n".join(rows))
    options.readme.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
