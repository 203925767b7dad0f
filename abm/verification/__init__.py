"""The program against exact laws: cases anybody can run, with a page that shows how each one ended."""
