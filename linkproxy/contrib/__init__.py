"""Ready parts for programs that send mail; each needs what it is named after."""
