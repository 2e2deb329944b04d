-- Orders of the batch that count as purchases. From nightly_bought.
SELECT * FROM nightly_bought
