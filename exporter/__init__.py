"""From a training run to a bundle: graphs, tables, calibration, parity certificate, card."""
