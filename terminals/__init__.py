"""Where agents run: adapters behind one protocol, the journal, the screen."""
