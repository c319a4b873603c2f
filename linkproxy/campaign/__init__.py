"""What goes out: campaign, links, compiled message, stamped message."""
