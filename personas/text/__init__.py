"""What is learned from texts and told about them: moods, reasons for contact, topics of personas."""
