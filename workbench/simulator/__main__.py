"""`python -m workbench.simulator --port 0` serves the simulator until it is stopped."""

from workbench.simulator.serve import main

main()
