"""The slash command: keys for those whom the configuration knows by their Slack user id, answered privately."""
