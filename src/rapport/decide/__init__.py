"""Choose: for each customer a channel and a portfolio of offers, or silence, with its reasons and chances."""
