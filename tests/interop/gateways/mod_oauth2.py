"""Apache with mod_oauth2."""
from gateway import Gateway, apache, check, debians

check("mod_oauth2", debians("libapache2-mod-oauth2"), Gateway(apache("mod_oauth2")))
