"""Make up shops and customers whose truth is known, to rehearse and to measure with."""
