-- What customers of the batch said: the kinds that count as interactions. From nightly_said.
SELECT * FROM nightly_said WHERE kind IN ('message', 'comment', 'mention', 'review', 'call')
