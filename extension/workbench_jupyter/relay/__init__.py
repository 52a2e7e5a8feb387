"""The relay of one Jupyter server: it takes calls with a reference, and makes them with the key of the moment.

SDKs read their environment once, and keys are short-lived: what stands in a kernel's variables holds for as long as the
kernel lives, and is worthless anywhere else. The server starts it (`process.py`); it needs nothing but the folder of
key files.
"""
