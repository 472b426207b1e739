"""What an attacker wants, and how its success is measured."""
