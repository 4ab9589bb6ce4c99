"""THE COMMANDS: parse, call a public function, print."""
