"""The road of a control: recorded, decided, handed out; and of readings and answers back."""
