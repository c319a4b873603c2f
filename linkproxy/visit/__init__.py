"""What comes in: request, visit, facts, signals, verdict, answer; and the settling of it."""
