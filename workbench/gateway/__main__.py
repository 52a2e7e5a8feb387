"""`python -m workbench.gateway` serves the gateway; processes start each other by this line."""

from workbench.gateway.serve import main

main()
