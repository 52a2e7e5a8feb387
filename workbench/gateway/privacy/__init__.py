"""What keeps personal data at home: so far the way back, tokens of redacted spans restored in answers."""
