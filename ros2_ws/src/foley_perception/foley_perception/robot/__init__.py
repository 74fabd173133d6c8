"""What a robot publishes, matched to the roles that Foley knows: proposed as a robot's file, and held against one."""
