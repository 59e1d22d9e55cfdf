# SPDX-License-Identifier: MIT OR Apache-2.0
"""Has a Jupyter kernel execute the cells of a notebook, each an argument, and prints what they print."""
import sys

import nbformat
from nbclient import NotebookClient

notebook = nbformat.v4.new_notebook()
notebook.cells = [nbformat.v4.new_code_cell(source) for source in sys.argv[1:]]
NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
for cell in notebook.cells:
    for output in cell.outputs:
        print(output.get("text", ""), end="", flush=True)
