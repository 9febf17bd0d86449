# %% [markdown]
# # A cohort from Python
#
# The cells of this file run one after the other: in an editor that knows `# %%`, by `jupytext --to ipynb cohort.py`, or
# as a plain script, `python3 examples/cohort.py`. It needs `vox` and, for the last cells, `distributed`, `deltalake`
# and `duckdb`.

# %%
import subprocess
import sys
import tempfile
from pathlib import Path

import vox
from vox.binary import find

# %% [markdown]
# Three computed heads, and a published method that finds their lesions. With scans of your own, `cases` is a folder
# with a subfolder for each case.

# %%
root = Path(sys.argv[1] if len(sys.argv) > 1 and not sys.argv[1].startswith("-") else tempfile.mkdtemp())
subprocess.run([find(), "demo"], cwd=root, check=True, capture_output=True)
program, cases, store = root / "vox-demo/lesion.imgql", root / "vox-demo/cases", root / "store"

# %% [markdown]
# ## One case
# What the program prints are Python values, what it saves are images, read when they are looked at. In a notebook an
# image shows itself as three slices.

# %%
case = cases / "case-1"
inputs = {"flair": case / "case-1_flair.nii.gz", "seg": case / "case-1_seg.nii.gz"}
found = vox.run(program, inputs, store=store)
lesion = found["lesion.nii.gz"]
millilitres = lesion.array.sum() * lesion.spacing[0] * lesion.spacing[1] * lesion.spacing[2] / 1000
print(f"dice {found['dice']:.4f}, {millilitres:.1f} ml, {lesion}")

# %% [markdown]
# ## All of them
# What is known already is not computed again: of case 1 everything.

# %%
cohort = vox.run(program, cases=cases, store=store)
print(cohort.counts)
for name, result in cohort.items():
    print(name, f"{result['dice']:.4f}")

# %% [markdown]
# ## Another threshold
# Only what depends on it runs.

# %%
for hot in (0.93, 0.95, 0.97):
    tried = vox.run(program, cases=cases, settings={"hot": hot}, store=store)
    mean = sum(result["dice_core"] for result in tried.values()) / len(tried)
    print(f"hot {hot}: mean dice of the core {mean:.4f}, {tried.counts.computed} computed")

# %% [markdown]
# ## Mistakes
# They come all at once, each with its place and what to write instead.

# %%
try:
    vox.run('print "volume" volum(3)', store=store)
except vox.ProgramError as error:
    mistake = error.mistakes[0]
    print(mistake.code, mistake.message, "at byte", mistake.places[0].bytes[0], "-", mistake.help)

# %% [markdown]
# ## A table
# With a row for each case, which DuckDB asks.

# %%
try:
    from vox import tables
except ImportError as error:
    print(f"no tables: {error}")
else:
    with tables.delta(root / "dice") as table:
        table.write(cohort)
        print(table.query('select "case", dice from results where dice > 0.957 order by dice desc'))

# %% [markdown]
# ## On a Dask cluster
# By the client that this notebook has already; here it has two workers of its own. `on_case` is told each case as soon
# as it is safe.

# %%
if "--dask" in sys.argv:
    from distributed import Client

    import vox.distributed

    # Workers that are threads of this process: a script that starts processes needs `if __name__ == "__main__"`.
    with Client(n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None) as client:
        far = vox.distributed.run(
            client,
            program,
            cases,
            settings={"hot": 0.94},
            store=store,
            on_case=lambda result: print("done:", result.case, f"{result['dice']:.4f}"),
        )
        print(far.counts)
        future = vox.distributed.submit(client, program, inputs, store=store)
        print("one case as a future:", future.result()["values"]["dice"])
