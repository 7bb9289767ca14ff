"""Training: from a run that waits to weights on the disk. Where a thing belongs, in reading order:

- what is learned: loop, state, batch, augment, extras, policy, optim, sgd, muon, around, average, recipes
- how it is computed: engine, plan, pairs, depthwise, convolution, fresh, threads, drawing, device
- the same on a GPU: gpu, ladder, graph, cuda, snapshot, telemetry
- our own layers there: rounding, grouped, fusing, norm, pool, channels, tiles, kernels, agreement
- one run: job, training, checkpoint, space, run_log, environment, failure, outcome, own
- many runs: queue, schedule, estimate, worker, keeping, lifecycle
- on several machines: cluster, remote, remote_worker
- the images: source, data, cifar10, download, unpack, synthetic
- what came of it: evaluate, predict, weights, importing, export
- how fast it is: bench
"""
