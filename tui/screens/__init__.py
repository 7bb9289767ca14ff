"""One screen a file. A screen watches the app's runs and acts through its queue."""
