"""What is typed in a notebook: chat that streams into the cell, `df.wb`, history, and an offer of what is found here.

Not for widgets, which stand in `widgets/`, nor for magics, which `workbench_jupyter.magics` makes of this. IPython and
pandas load with the first use.
"""
