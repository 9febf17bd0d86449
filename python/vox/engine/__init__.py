"""Engines of other machines: each is a process that speaks lines of JSON with ``vox run --engine``.

`bridge` is what a Dask engine does with a client, `task` what runs on a worker, `dask` the process, `relay` the
process of an engine that lives in a notebook.
"""
