"""The dashboard: pages on the private listener that show people what the JSON API tells programs.

They change nothing, and no figure is made here: each page asks the handlers of the API.
"""
