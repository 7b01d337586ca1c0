"""Many seeds of many networks, and what they show: behind `twins study`.

arms.py: what is compared; pool.py, worker.py: trained in chunks, in processes or on a cluster;
records.py: kept; summary.py: quantiles, which is better, how sure; tables.py,
comparisons.py, plots.py: shown.
"""
