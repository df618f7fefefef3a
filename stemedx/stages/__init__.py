"""One module per stage of the workflow: read stores, call the library, write stores."""
