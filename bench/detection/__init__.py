"""How often the judge is wrong: simulated recipients and scanners visit a real server over HTTP."""
