# SPDX-License-Identifier: MIT
"""The benchmark runner's parts; bench/run is the program."""
