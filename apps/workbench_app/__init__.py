"""The Streamlit app: compare blind, rate, promote. It shows; the library's rooms read and write."""
