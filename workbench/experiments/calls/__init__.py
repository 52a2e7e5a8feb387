"""One paid call: its price, its place in the budget, its pace, and the way it takes."""
