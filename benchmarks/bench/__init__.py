"""What `twins bench` is made of: cells, the process that measures one, records, statistics, views.

In the order in which a measurement meets them:

- cells, switches: what can be measured; grid, grids/*.toml: what is
- measuring: block after block
- process: one cell in a process of its own, with steady (when warm-up is over), in_keras and
  in_torch (switches to flip; what the runtime says about the path that was taken)
- machine: whether anything else was at work meanwhile
- records: a line of JSON for every process
- gates: what must hold before a line counts
- costs: what the lines say of each cell; intervals: how sure that is
- laws: overhead and work, and from which size on who wins
- tables, comparisons, views, plots: what people see
- checking: whether a record can be relied on, how two of them compare
"""
