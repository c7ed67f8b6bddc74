"""Sources of posts, one file a platform, and what carries them to the posts topic."""
