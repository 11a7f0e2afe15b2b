//! The mapping that is used when none is given: columns by the names that they commonly bear.

use super::map::{Cell, FactMap, Mapping, OccasionMap, PatientMap, RelationMap};

/// A mapping for a table with these columns.
pub(super) fn mapping(header: &[String]) -> Mapping {
    let header = Header::new(header);
    let patient = patient(&header);
    let relation = relation(&header);
    let occasion = occasion(&header, &patient);
    let fact = fact(&header);
    let reaches = relation.phone.is_some() || relation.email.is_some();
    let happens = occasion.at.is_some() || occasion.date.is_some();
    let tells = fact.code.is_some();
    Mapping {
        patient,
        relation: reaches.then_some(relation).into_iter().collect(),
        occasion: happens.then_some(occasion).into_iter().collect(),
        fact: tells.then_some(fact).into_iter().collect(),
        ..Mapping::default()
    }
}

fn patient(header: &Header<'_>) -> PatientMap {
    PatientMap {
        key: header.first(PATIENT_KEY),
        name: header.first(PATIENT_NAME),
        family_name: header.first(PATIENT_FAMILY_NAME),
        given_name: header.first(PATIENT_GIVEN_NAME),
        sex: header.first(PATIENT_SEX),
        birth_on: header.first(PATIENT_BIRTH_ON),
        lunar_birthday: header.first(PATIENT_LUNAR_BIRTHDAY),
        phone: header.all(PATIENT_PHONE),
        email: header.first(PATIENT_EMAIL),
        language: header.first(PATIENT_LANGUAGE),
        deceased: header.first(PATIENT_DECEASED),
        tags: header.first(PATIENT_TAGS),
        opt_out: header.first(PATIENT_OPT_OUT),
        sensitive: header.first(PATIENT_SENSITIVE),
        flags: header.first(PATIENT_FLAGS),
        ..PatientMap::default()
    }
}

fn relation(header: &Header<'_>) -> RelationMap {
    RelationMap {
        kind: header.first(RELATION_KIND),
        name: header.first(RELATION_NAME),
        phone: header.all(RELATION_PHONE),
        email: header.first(RELATION_EMAIL),
        consented: header.first(RELATION_CONSENTED),
        ..RelationMap::default()
    }
}

fn occasion(header: &Header<'_>, patient: &PatientMap) -> OccasionMap {
    let key = header.first(OCCASION_KEY).or_else(|| {
        // A table of bookings with a plain `id` beside the patient's.
        let is_free = patient.key != header.first(&["id"]);
        is_free.then(|| header.first(OCCASION_PLAIN_KEY)).flatten()
    });
    OccasionMap {
        key,
        kind: header.first(OCCASION_KIND),
        at: header.first(OCCASION_AT),
        date: header.first(OCCASION_DATE),
        time: header.first(OCCASION_TIME),
        status: header.first(OCCASION_STATUS),
        created_at: header.first(OCCASION_CREATED_AT),
        department: header.first(OCCASION_DEPARTMENT),
        doctor: header.first(OCCASION_DOCTOR),
        doctor_key: header.first(OCCASION_DOCTOR_KEY),
        place: header.first(OCCASION_PLACE),
        version: header.first(OCCASION_VERSION),
        ..OccasionMap::default()
    }
}

fn fact(header: &Header<'_>) -> FactMap {
    FactMap {
        code: header.first(FACT_CODE),
        on: header.first(FACT_ON),
        ..FactMap::default()
    }
}

/// The columns of a table, with what is left of their names when they are compared.
struct Header<'a>(Vec<(String, &'a String)>);

impl<'a> Header<'a> {
    fn new(header: &'a [String]) -> Self {
        Self(header.iter().map(|name| (bare(name), name)).collect())
    }

    /// The column with the first of these names that there is.
    fn first(&self, names: &[&str]) -> Option<Cell> {
        let column = names.iter().find_map(|name| self.find(name))?;
        Some(Cell::column(column))
    }

    /// Every column that has one of these names, in the order of the names.
    fn all(&self, names: &[&str]) -> Option<Cell> {
        let found = names.iter().filter_map(|name| self.find(name));
        let columns: Vec<String> = found.cloned().collect();
        (!columns.is_empty()).then(|| Cell {
            columns,
            ..Cell::default()
        })
    }

    fn find(&self, name: &str) -> Option<&'a String> {
        let wanted = bare(name);
        let found = self.0.iter().find(|(known, _)| *known == wanted);
        found.map(|(_, column)| *column)
    }
}

/// A name without case, spaces and signs, and without a note in brackets.
fn bare(name: &str) -> String {
    let plain = crate::intake::moment::plain(name).to_lowercase();
    let plain = plain.split('(').next().unwrap_or_default();
    plain.chars().filter(|c| c.is_alphanumeric()).collect()
}

// The names that columns bear, the likeliest first.

const PATIENT_KEY: &[&str] = &[
    "patient_id",
    "patient_key",
    "patient_no",
    "patient_number",
    "patient",
    "mrn",
    "medical_record_number",
    "病历号",
    "病案号",
    "病人ID",
    "患者ID",
    "病人编号",
    "患者编号",
    "病人号",
    "门诊号",
    "住院号",
    "就诊卡号",
    "卡号",
    "id",
];
const PATIENT_NAME: &[&str] = &[
    "name",
    "full_name",
    "patient_name",
    "姓名",
    "患者姓名",
    "病人姓名",
];
const PATIENT_FAMILY_NAME: &[&str] = &["family_name", "last_name", "surname", "姓", "姓氏"];
const PATIENT_GIVEN_NAME: &[&str] = &["given_name", "first_name", "名"];
const PATIENT_SEX: &[&str] = &["sex", "gender", "性别"];
const PATIENT_BIRTH_ON: &[&str] = &[
    "birth_date",
    "birth_on",
    "birthday",
    "date_of_birth",
    "dob",
    "出生日期",
    "出生年月日",
    "出生年月",
    "生日",
];
const PATIENT_LUNAR_BIRTHDAY: &[&str] = &["lunar_birthday", "农历生日", "阴历生日"];
const PATIENT_PHONE: &[&str] = &[
    "mobile",
    "mobile_phone",
    "mobile_number",
    "cell_phone",
    "cell",
    "手机",
    "手机号",
    "手机号码",
    "移动电话",
    "phone",
    "phone_number",
    "telephone",
    "tel",
    "联系电话",
    "联系方式",
    "电话",
    "电话号码",
    "home_phone",
    "家庭电话",
];
const PATIENT_EMAIL: &[&str] = &[
    "email",
    "email_address",
    "mail",
    "邮箱",
    "电子邮箱",
    "电子邮件",
];
const PATIENT_LANGUAGE: &[&str] = &["language", "lang", "preferred_language", "语言"];
const PATIENT_DECEASED: &[&str] = &[
    "deceased",
    "dead",
    "is_deceased",
    "死亡",
    "是否死亡",
    "已故",
];
const PATIENT_TAGS: &[&str] = &["tags", "标签"];
const PATIENT_OPT_OUT: &[&str] = &["opt_out", "拒收", "退订"];
const PATIENT_SENSITIVE: &[&str] = &[
    "sensitive",
    "confidential",
    "敏感",
    "是否敏感",
    "保密",
    "是否保密",
];
const PATIENT_FLAGS: &[&str] = &["flag", "flags", "security", "vip", "标志", "标识", "身份"];

const RELATION_KIND: &[&str] = &[
    "relation",
    "relationship",
    "contact_relation",
    "关系",
    "与患者关系",
    "联系人关系",
    "家属关系",
];
const RELATION_NAME: &[&str] = &[
    "contact_name",
    "guardian_name",
    "relative_name",
    "联系人",
    "联系人姓名",
    "家属姓名",
    "监护人",
    "监护人姓名",
];
const RELATION_PHONE: &[&str] = &[
    "contact_phone",
    "guardian_phone",
    "relative_phone",
    "联系人电话",
    "联系人手机",
    "家属电话",
    "家属手机",
    "监护人电话",
];
const RELATION_EMAIL: &[&str] = &["contact_email", "guardian_email", "联系人邮箱", "家属邮箱"];
const RELATION_CONSENTED: &[&str] = &[
    "contact_consented",
    "consented",
    "guardian_consented",
    "家属同意",
    "是否同意通知家属",
    "同意通知家属",
];

const OCCASION_KEY: &[&str] = &[
    "appointment_id",
    "appointment_no",
    "booking_id",
    "occasion_id",
    "occasion",
    "appointment_key",
    "预约号",
    "预约编号",
    "预约ID",
    "预约单号",
    "挂号单号",
];
const OCCASION_PLAIN_KEY: &[&str] = &["id", "编号", "序号"];
const OCCASION_KIND: &[&str] = &[
    "kind",
    "type",
    "appointment_type",
    "visit_type",
    "预约类型",
    "就诊类型",
    "类型",
];
const OCCASION_AT: &[&str] = &[
    "appointment_at",
    "appointment_time",
    "appointment_datetime",
    "datetime",
    "date_time",
    "start",
    "start_time",
    "scheduled_at",
    "at",
    "预约时间",
    "就诊时间",
    "复诊时间",
    "复查时间",
];
const OCCASION_DATE: &[&str] = &[
    "appointment_date",
    "date",
    "visit_date",
    "预约日期",
    "就诊日期",
    "复诊日期",
    "复查日期",
];
const OCCASION_TIME: &[&str] = &["time", "visit_time", "时间", "时段"];
const OCCASION_STATUS: &[&str] = &["status", "appointment_status", "状态", "预约状态"];
const OCCASION_CREATED_AT: &[&str] = &[
    "created_at",
    "created",
    "booked_at",
    "booked_on",
    "创建时间",
    "登记时间",
    "预约登记时间",
];
const OCCASION_DEPARTMENT: &[&str] = &[
    "department",
    "dept",
    "clinic",
    "科室",
    "科室名称",
    "预约科室",
    "就诊科室",
];
const OCCASION_DOCTOR: &[&str] = &[
    "doctor",
    "physician",
    "provider",
    "practitioner",
    "医生",
    "医师",
    "医生姓名",
    "预约医生",
];
const OCCASION_DOCTOR_KEY: &[&str] = &[
    "doctor_key",
    "doctor_id",
    "doctor_code",
    "physician_id",
    "practitioner_id",
    "医生工号",
    "医生编码",
    "医生编号",
    "医生ID",
];
const OCCASION_PLACE: &[&str] = &[
    "place",
    "location",
    "room",
    "address",
    "地点",
    "诊室",
    "就诊地点",
    "位置",
];
const OCCASION_VERSION: &[&str] = &["version", "版本"];

const FACT_CODE: &[&str] = &[
    "diagnosis_code",
    "icd",
    "icd10",
    "icd_10",
    "diagnosis",
    "诊断编码",
    "诊断代码",
    "ICD编码",
    "疾病编码",
];
const FACT_ON: &[&str] = &[
    "diagnosis_date",
    "diagnosed_on",
    "onset",
    "诊断日期",
    "确诊日期",
];
