"""Studies: many fits or many votes, one page of tables and figures. No file is written here."""
