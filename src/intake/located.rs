//! Reads JSON into a type with errors that name the path and what was expected, and never a value.
//!
//! serde's own messages repeat the value that did not fit, which may be a name or a number.

use std::fmt::{self, Display};

use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Expected, IntoDeserializer,
    MapAccess, SeqAccess, Unexpected, VariantAccess, Visitor,
};
use serde_json::Value;

use super::IntakeError;

/// Reads `value` as a `T`.
pub(crate) fn read<T: DeserializeOwned>(value: &Value) -> Result<T, IntakeError> {
    T::deserialize(At(value)).map_err(|located| {
        let path: Vec<&str> = located.path.iter().rev().map(String::as_str).collect();
        let path = path.concat();
        let path = path.strip_prefix('.').unwrap_or(&path);
        IntakeError::Input {
            path: if path.is_empty() {
                "the body".to_owned()
            } else {
                path.to_owned()
            },
            expected: located.expected,
        }
    })
}

#[derive(Debug)]
struct Located {
    /// The innermost part first.
    path: Vec<String>,
    expected: String,
}

impl Located {
    fn new(expected: impl Into<String>) -> Self {
        Self {
            path: Vec::new(),
            expected: expected.into(),
        }
    }

    fn within(mut self, part: String) -> Self {
        self.path.push(part);
        self
    }
}

impl Display for Located {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.expected)
    }
}

impl std::error::Error for Located {}

impl serde::de::Error for Located {
    fn custom<T: Display>(_: T) -> Self {
        Self::new("expected another value")
    }

    fn invalid_type(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format!("expected {expected}"))
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format!("expected {expected}"))
    }

    fn invalid_length(_: usize, expected: &dyn Expected) -> Self {
        Self::new(format!("expected {expected}"))
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self::new(format!("expected one of {}", expected.join(", ")))
    }

    fn unknown_field(_: &str, expected: &'static [&'static str]) -> Self {
        Self::new(format!(
            "no such field here: expected one of {}",
            expected.join(", ")
        ))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(format!("expected the field `{field}`"))
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::new(format!("expected the field `{field}` once"))
    }
}

struct At<'a>(&'a Value);

impl<'de> Deserializer<'de> for At<'de> {
    type Error = Located;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Located> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(whole), _) => visitor.visit_i64(whole),
                (None, Some(broken)) => visitor.visit_f64(broken),
                (None, None) => Err(Located::new("expected a smaller number")),
            },
            Value::String(text) => visitor.visit_borrowed_str(text),
            Value::Array(items) => visitor.visit_seq(Items {
                items: items.iter(),
                at: 0,
            }),
            Value::Object(map) => visitor.visit_map(Fields {
                fields: map.iter(),
                here: None,
            }),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Located> {
        if self.0.is_null() {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Located> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Located> {
        match self.0 {
            Value::String(word) => visitor.visit_enum(Word(word)),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::Array(_)
            | Value::Object(_) => Err(Located::new("expected a word")),
        }
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier ignored_any
    }
}

struct Items<'a> {
    items: std::slice::Iter<'a, Value>,
    at: usize,
}

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = Located;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Located> {
        let Some(item) = self.items.next() else {
            return Ok(None);
        };
        let at = self.at;
        self.at += 1;
        seed.deserialize(At(item))
            .map(Some)
            .map_err(|located| located.within(format!("[{at}]")))
    }
}

struct Fields<'a> {
    fields: serde_json::map::Iter<'a>,
    here: Option<(&'a String, &'a Value)>,
}

impl<'de> MapAccess<'de> for Fields<'de> {
    type Error = Located;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Located> {
        self.here = self.fields.next();
        let Some((key, _)) = self.here else {
            return Ok(None);
        };
        let name: serde::de::value::StrDeserializer<'_, Located> = key.as_str().into_deserializer();
        seed.deserialize(name)
            .map(Some)
            .map_err(|located| located.within(format!(".{key}")))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Located> {
        let (key, value) = self
            .here
            .take()
            .ok_or_else(|| Located::new("expected a value"))?;
        seed.deserialize(At(value))
            .map_err(|located| located.within(format!(".{key}")))
    }
}

struct Word<'a>(&'a str);

impl<'de> EnumAccess<'de> for Word<'de> {
    type Error = Located;
    type Variant = Bare;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Bare), Located> {
        let word: serde::de::value::StrDeserializer<'_, Located> = self.0.into_deserializer();
        Ok((seed.deserialize(word)?, Bare))
    }
}

struct Bare;

impl<'de> VariantAccess<'de> for Bare {
    type Error = Located;

    fn unit_variant(self) -> Result<(), Located> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, _: T) -> Result<T::Value, Located> {
        Err(Located::new("expected a word"))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, Located> {
        Err(Located::new("expected a word"))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Located> {
        Err(Located::new("expected a word"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        #[expect(dead_code, reason = "only read")]
        inner: Vec<Inner>,
    }

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        #[expect(dead_code, reason = "only read")]
        n: Option<i64>,
    }

    #[track_caller]
    fn check(value: serde_json::Value, expected: &str) {
        let error = super::read::<Outer>(&value).expect_err("it does not fit");
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn errors_name_the_path_and_never_the_value() {
        check(
            json!({"inner": [{"n": 1}, {"n": "13800000001"}]}),
            "inner[1].n: expected i64",
        );
        check(
            json!({"inner": [{"phone": "13800000001"}]}),
            "inner[0].phone: no such field here: expected one of n",
        );
        check(json!({}), "the body: expected the field `inner`");
        check(json!({"inner": "王芳"}), "inner: expected a sequence");
        check(json!("王芳"), "the body: expected struct Outer");
        assert!(super::read::<Outer>(&json!({"inner": [{"n": null}, {}]})).is_ok());
    }
}
