//! Go's kinds and types, as far as templates can see them.

/// Go's `reflect.Kind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the names are Go's")]
pub enum Kind {
    Invalid,
    Bool,
    Int,
    Int64,
    Uint8,
    Uint32,
    Uint64,
    Float64,
    Complex128,
    String,
    Slice,
    Map,
    Struct,
    Pointer,
    Interface,
    Func,
}

impl Kind {
    /// Go's name, as `kindOf` gives it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Int64 => "int64",
            Self::Uint8 => "uint8",
            Self::Uint32 => "uint32",
            Self::Uint64 => "uint64",
            Self::Float64 => "float64",
            Self::Complex128 => "complex128",
            Self::String => "string",
            Self::Slice => "slice",
            Self::Map => "map",
            Self::Struct => "struct",
            Self::Pointer => "ptr",
            Self::Interface => "interface",
            Self::Func => "func",
        }
    }
}

/// The type of a parameter of a function or method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Type {
    /// `interface {}`: anything.
    Any,
    /// `reflect.Value`: anything, and a nil interface is told from no value.
    Reflect,
    /// `bool`.
    Bool,
    /// `int`.
    Int,
    /// `int64`.
    Int64,
    /// `uint32`.
    Uint32,
    /// `float64`.
    Float64,
    /// `string`.
    String,
    /// `[]uint8`.
    Bytes,
    /// `time.Duration`, for which a whole number can be written.
    Duration,
    /// A slice.
    List(ListType),
    /// A map.
    Map(MapType),
    /// The type of an object, by Go's name.
    Object(&'static str),
}

impl Type {
    /// Go's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Any => "interface {}",
            Self::Reflect => "reflect.Value",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Int64 => "int64",
            Self::Uint32 => "uint32",
            Self::Float64 => "float64",
            Self::String => "string",
            Self::Bytes => "[]uint8",
            Self::Duration => "time.Duration",
            Self::List(list) => list.name(),
            Self::Map(map) => map.name(),
            Self::Object(name) => name,
        }
    }

    /// Whether nil can be given for it.
    #[must_use]
    pub fn can_be_nil(self) -> bool {
        match self {
            Self::Any | Self::Reflect | Self::Bytes | Self::List(_) | Self::Map(_) => true,
            Self::Object(name) => name.starts_with('*') || name == "io.Writer",
            _ => false,
        }
    }
}

/// The type of a slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ListType {
    /// `[]interface {}`.
    Any,
    /// `[]string`.
    Strings,
    /// `[]int`.
    Ints,
    /// `[][]interface {}`.
    Lists,
    /// `[]map[string]interface {}`.
    Maps,
    /// `[]*chart.Maintainer`.
    Maintainers,
    /// `[]*chart.Dependency`.
    Dependencies,
}

impl ListType {
    /// Go's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Any => "[]interface {}",
            Self::Strings => "[]string",
            Self::Ints => "[]int",
            Self::Lists => "[][]interface {}",
            Self::Maps => "[]map[string]interface {}",
            Self::Maintainers => "[]*chart.Maintainer",
            Self::Dependencies => "[]*chart.Dependency",
        }
    }
}

/// The type of a map with string keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum MapType {
    /// `map[string]interface {}`.
    Any,
    /// `map[string]string`.
    Strings,
    /// Helm 4's `common.Values`, a `map[string]interface {}` with methods.
    CommonValues,
    /// Helm 3's `chartutil.Values`, a `map[string]interface {}` with methods.
    ChartutilValues,
}

impl MapType {
    /// Go's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Any => "map[string]interface {}",
            Self::Strings => "map[string]string",
            Self::CommonValues => "common.Values",
            Self::ChartutilValues => "chartutil.Values",
        }
    }

    /// Whether the elements are interfaces.
    #[must_use]
    pub fn holds_interfaces(self) -> bool {
        self != Self::Strings
    }

    /// Whether the type has methods.
    #[must_use]
    pub fn is_values(self) -> bool {
        matches!(self, Self::CommonValues | Self::ChartutilValues)
    }
}
