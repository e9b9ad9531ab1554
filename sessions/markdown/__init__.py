"""Sessions as markdown in their workspaces: written for people, read again when the database is gone."""
