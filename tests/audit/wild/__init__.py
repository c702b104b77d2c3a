"""Traffic of other teams than that of `workloads`: other hours, clients and columns, less of it told."""
