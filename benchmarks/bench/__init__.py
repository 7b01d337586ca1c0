"""What `twins bench` is made of: cells, the process that measures one, records, statistics, views.

In the order in which a measurement meets them:

- cells, switches: what can be measured; grid, grids/*.toml: what is
- session: block after block
- worker: one cell in a process of its own, with steady (when warm-up is over), in_keras, in_torch
  and in_numba (switches to flip; what the runtime says about the path that was taken)
- machine: whether anything else was at work meanwhile
- validity: what must hold before a sample counts
- records: a line of JSON for every process
- costs: what the lines say of each cell; common/statistics: how sure that is
- scaling: overhead and work, and from which size on who wins
- tables, comparisons, views, plots: what people see
- audit: whether a record can be relied on, how two of them compare
"""
