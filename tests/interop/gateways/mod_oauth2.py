"""Apache with mod_oauth2."""
from gateway import apache, check, debians

check("mod_oauth2", debians("libapache2-mod-oauth2"), apache("mod_oauth2"))
