"""One page about a run, a training or a project, to be opened without network, sent and printed."""
