//! `@geoLookup`: where an address is, from a MaxMind DB (`SecGeoLookupDb`).

use std::net::IpAddr;

use maxminddb::geoip2::City;
use maxminddb::{MaxMindDbError, Reader};

/// A database of addresses.
pub(crate) struct GeoLookup {
    reader: Reader<Vec<u8>>,
}

/// Members of `GEO` and their values.
pub(crate) type Place = Vec<(&'static str, String)>;

impl GeoLookup {
    /// Reads a database in the MaxMind DB format (GeoLite2, GeoIP2, DB-IP).
    pub(crate) fn open(content: Vec<u8>) -> Result<GeoLookup, String> {
        let reader = Reader::from_source(content)
            .map_err(|error| format!("this is no MaxMind DB (.mmdb); the older GeoIP.dat is not read: {error}"))?;
        Ok(GeoLookup { reader })
    }

    /// Where the address is, if the value is one and the database has it.
    pub(crate) fn find(&self, value: &[u8]) -> Option<Place> {
        let address: IpAddr = std::str::from_utf8(value).ok()?.trim().parse().ok()?;
        self.place(address).ok().flatten().filter(|place| !place.is_empty())
    }

    fn place(&self, address: IpAddr) -> Result<Option<Place>, MaxMindDbError> {
        let Some(city) = self.reader.lookup(address)?.decode::<City<'_>>()? else { return Ok(None) };
        let mut place = Place::new();
        let mut add = |name, value: Option<&str>| place.extend(value.map(|value| (name, value.to_owned())));
        add("COUNTRY_CODE", city.country.iso_code);
        add("COUNTRY_NAME", city.country.names.english);
        add("COUNTRY_CONTINENT", city.continent.code);
        add("REGION", city.subdivisions.first().and_then(|region| region.iso_code));
        add("CITY", city.city.names.english);
        add("POSTAL_CODE", city.postal.code);
        let mut number = |name, value: Option<String>| place.extend(value.map(|value| (name, value)));
        number("LATITUDE", city.location.latitude.map(|degrees| degrees.to_string()));
        number("LONGITUDE", city.location.longitude.map(|degrees| degrees.to_string()));
        number("DMA_CODE", city.location.metro_code.map(|code| code.to_string()));
        Ok(Some(place))
    }
}
